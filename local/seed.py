"""What an operator sets up by hand in a real account: channel credentials and a verified sender."""

import base64
import hashlib
import json

from local.stack import Stack

EMAIL_IDENTITY = "tocsin.example"


def webhook_secret(stack_name: str) -> str:
    """The local webhook channel's signing secret: the same every time, so that receivers can check signatures."""
    return "whsec_" + base64.b64encode(hashlib.sha256(f"{stack_name} webhook".encode()).digest()).decode()


def channel_parameters(stack_name: str) -> dict[str, dict[str, object]]:
    """The credentials of the channels that work without an outside service, by channel name."""
    return {
        "Webhook": {"secrets": [webhook_secret(stack_name)]},
        "Email": {"sender": f"alerts@{EMAIL_IDENTITY}"},
        "SNS": {},
    }


def seed(stack: Stack) -> None:
    """Write the channels' parameters and verify the sender. Doing it twice is fine."""
    ssm = stack.client("ssm")
    for channel, credentials in channel_parameters(stack.name).items():
        name = f"/{stack.name}/channels/{channel}"
        ssm.put_parameter(Name=name, Value=json.dumps(credentials), Type="SecureString", Overwrite=True)
    stack.client("ses").verify_domain_identity(Domain=EMAIL_IDENTITY)
