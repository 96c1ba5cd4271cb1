"""The Notifications table."""
