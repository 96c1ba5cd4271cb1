"""Which stack is spoken to, and with whose credentials.

boto3 is imported when something is looked up, not before: it takes half of the time in which `tocsin --help` answers.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import boto3

DEFAULT_STACK = "tocsin"


class NotFoundStackError(Exception):
    """The stack, its address or the credentials for it could not be found."""


@dataclass(frozen=True)
class Connection:
    """Where the stack is. Without a URL its address is read from the outputs of the CloudFormation stack."""

    stack: str = DEFAULT_STACK
    profile: str | None = None
    region: str | None = None
    url: str | None = None

    @cached_property
    def session(self) -> "boto3.Session":
        """Give the operator's session; raise NotFoundStackError where the profile is unknown or no region is set."""
        import boto3  # noqa: PLC0415 - see above
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - the same

        try:
            session = boto3.Session(profile_name=self.profile, region_name=self.region)
        except BotoCoreError as error:
            raise NotFoundStackError(str(error)) from None
        if session.region_name is None:
            raise NotFoundStackError("No region is set: give --region, or set AWS_DEFAULT_REGION.")
        return session

    @cached_property
    def region_name(self) -> str:
        """Give the region that is spoken to; raise NotFoundStackError."""
        return str(self.session.region_name)

    @cached_property
    def outputs(self) -> dict[str, str]:
        """Give the outputs of the CloudFormation stack; raise NotFoundStackError."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see above

        try:
            found = self.session.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"][0]
        except (BotoCoreError, ClientError) as error:
            raise NotFoundStackError(f"The stack {self.stack} can't be looked up: {error}") from None
        return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}

    @cached_property
    def api_url(self) -> str:
        """Give the base to which /api/v1 is added; raise NotFoundStackError."""
        found = self.url or self.outputs.get("ApiUrl")
        if not found:
            raise NotFoundStackError(f"The stack {self.stack} has no output ApiUrl: is it Tocsin's?")
        return found.rstrip("/")
