"""One fresh process: import a function and call it once, as Lambda does. Prints the milliseconds of processor time.

It imports nothing else before the clock runs, or what is to be measured would be there already.
`python -m bench.first_call NAME EVENT`; the name `bare` imports boto3 and reads one item instead.
"""

import io
import json
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path


class Context:
    """Lambda's context object."""

    aws_request_id = "bench"

    def get_remaining_time_in_millis(self) -> int:
        """Plenty."""
        return 600_000


def main(name: str, event: str) -> None:
    """Measure it."""
    begun = time.process_time()
    if name == "bare":
        import boto3  # noqa: PLC0415 - the import is measured

        boto3.client("dynamodb").get_item(TableName="notifications", Key={"id": {"S": f"01J{0:023}"}})
    else:
        import app  # type: ignore[import-not-found]  # noqa: PLC0415 - the function's, by PYTHONPATH

        with redirect_stdout(io.StringIO()):
            app.handler(json.loads(Path(event).read_text()), Context())
    print((time.process_time() - begun) * 1000)


if __name__ == "__main__":
    main(*sys.argv[1:])
