"""A Chromium for the browser's tests: the machine's own, or one that ships inside a package of npm, without root."""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from local.npm import Package, UnavailableError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""What the machine's own may be called."""
PACKED = Package(
    "@sparticuz/chromium",
    "153.0.0",
    "jiGWqSvPMdu4+P9TilYqAR7yEGPEHINx+lCvE/NqNO/EHYzF/x1hUiI5T6ioVIt7dEy7n88byyT0vk+dnsgQwA==",
)
"""For Linux on x86-64; 70 MB, of which it becomes 210. It brings the libraries that a bare machine has not."""
_UNPACK = "const z = require('zlib'); process.stdin.pipe(z.createBrotliDecompress()).pipe(process.stdout)"
"""Brotli: node has it, Python has not."""


@dataclass(frozen=True, slots=True)
class Chromium:
    """A browser that can be started."""

    executable: Path
    environment: dict[str, str] = field(default_factory=dict)
    """What it needs beside the caller's own."""


def found() -> Chromium:
    """Give the machine's own, else the package's; raise UnavailableError with the reason where there is neither."""
    for name in NAMES:
        if (path := shutil.which(name)) is not None:
            return Chromium(Path(path))
    return packed()


def packed() -> Chromium:
    """Give the package's, fetched and unpacked if it is not there; raise UnavailableError."""
    if (sys.platform, os.uname().machine) != ("linux", "x86_64"):
        raise UnavailableError("no chromium is on the PATH, and npm's is for Linux on x86-64")
    home = PACKED.installed()
    executable = home / "chromium"
    if not executable.exists():
        _unpacked(home, executable)
    libraries = os.pathsep.join(filter(None, (str(home / "lib"), os.environ.get("LD_LIBRARY_PATH"))))
    chromium = Chromium(executable, {"LD_LIBRARY_PATH": libraries})
    _checked(chromium)
    return chromium


def _unpacked(home: Path, executable: Path) -> None:
    """Put the libraries there, and the program last, in one step: what is there is whole."""
    with tempfile.TemporaryDirectory(dir=home) as scratch:
        libraries = Path(scratch, "libraries.tar")
        _decompressed(home / "bin" / "al2023.tar.br", libraries)
        with tarfile.open(libraries) as archive:
            archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11 has it since 3.11.4
            archive.extractall(home)  # noqa: S202 - by the filter above; and its digest is pinned
        program = Path(scratch, "chromium")
        _decompressed(home / "bin" / "chromium.br", program)
        program.chmod(0o755)
        program.rename(executable)


def _decompressed(source: Path, target: Path) -> None:
    with source.open("rb") as compressed, target.open("wb") as plain:
        subprocess.run(["node", "-e", _UNPACK], stdin=compressed, stdout=plain, check=True)


def _checked(chromium: Chromium) -> None:
    environment = {**os.environ, **chromium.environment}
    command = [str(chromium.executable), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        raise UnavailableError(f"npm's Chromium does not start here: {done.stderr.strip()[-300:]}")
