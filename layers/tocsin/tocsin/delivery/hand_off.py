"""Notifications that hand work to a program, instead of words to people. Pure."""

from tocsin.delivery.notification import Notification

RENEWAL_REQUESTED = "RenewalRequested"
"""The type of what asks for a renewal. Its message is a JSON object, and it goes to the stack's own bus, always."""


def is_hand_off(notification: Notification) -> bool:
    """Tell whether a notification is one."""
    return notification.type == RENEWAL_REQUESTED
