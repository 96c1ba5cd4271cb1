"""The way from a notification to what the functions logged of it: a query for CloudWatch Logs Insights."""

import re
import shlex
from dataclasses import dataclass
from datetime import datetime, timedelta

from tocsin_cli.connection import Connection
from tocsin_cli.screen import Row
from tocsin_cli.times import read

_BEFORE = timedelta(minutes=5)
"""Before its creation: the expiry check that raised it has a line of its own, and clocks differ."""
_PLAIN = re.compile(r"[\w '/|,@=:()\[\]-]*")
"""What means itself between double quotes of a shell."""
_SHOWN = "@timestamp, level, message, status, attempt, result, error, reason, request_id, xray_trace_id"


@dataclass(frozen=True, slots=True)
class Query:
    """A query and the time that it looks at."""

    text: str
    start: datetime
    end: datetime
    region: str

    @classmethod
    def of(cls, connection: Connection, row: Row, at: datetime) -> "Query":
        """Make the query for a notification, over all log groups of the stack, until `at`.

        Source: CloudWatch Logs user guide, "SOURCE": log groups by the beginning of their names, for CLI and API only.
        """
        text = (
            f"SOURCE logGroups(namePrefix: ['/aws/lambda/{connection.stack}-'])"
            f" | fields {_SHOWN}"
            f" | filter notification_id = '{row['id']}' | sort @timestamp asc | limit 1000"
        )
        return cls(text, (read(row["created_at"]) or at) - _BEFORE, at, connection.region_name)

    @property
    def commands(self) -> list[str]:
        """Give what to type: the query is started, and its result fetched some seconds later."""
        when = f"--start-time {int(self.start.timestamp())} --end-time {int(self.end.timestamp())}"
        quoted = f'"{self.text}"' if _PLAIN.fullmatch(self.text) else shlex.quote(self.text)
        started = f"aws logs start-query {when} --query-string {quoted} --query queryId --output text"
        return [f"id=$({started})", 'aws logs get-query-results --query-id "$id"']

    @property
    def console_url(self) -> str:
        """Give the page of the AWS console on which such queries are written; log groups are chosen there."""
        return f"https://{self.region}.console.aws.amazon.com/cloudwatch/home?region={self.region}#logsV2:logs-insights"
