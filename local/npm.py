"""Packages of npm that tests render messages with: each the very file that is pinned, unpacked alone.

Nothing of them is committed: their licences are their own.
"""

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from build.toolchain import LOCAL

HOME = LOCAL / "npm"


class UnavailableError(Exception):
    """A package can't be had on this machine; the message says why."""


@dataclass(frozen=True, slots=True)
class Package:
    """One version of a package that needs no other at run time."""

    name: str
    version: str
    sha512: str
    """Base64, as npm's lock files have it."""

    @property
    def home(self) -> Path:
        """Name where it is unpacked."""
        return HOME / self.name.rpartition("/")[2] / self.version

    def installed(self) -> Path:
        """Fetch it with npm if it is not there, compare its digest with the pinned one, and return where it is."""
        if self.home.exists():
            return self.home
        with tempfile.TemporaryDirectory() as scratch:
            packed = self._packed(Path(scratch))
            if base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode() != self.sha512:
                msg = f"what npm gave for {self.name} {self.version} is not what was pinned"
                raise UnavailableError(msg)
            with tarfile.open(packed) as archive:
                archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11 has it since 3.11.4
                archive.extractall(scratch)  # noqa: S202 - by the filter above; and its digest is pinned
            _moved(Path(scratch, "package"), self.home)
        return self.home

    def _packed(self, scratch: Path) -> Path:
        for tool in ("node", "npm"):
            if shutil.which(tool) is None:
                msg = f"{tool} is not installed"
                raise UnavailableError(msg)
        command = ["npm", "pack", f"{self.name}@{self.version}", "--silent", "--pack-destination", str(scratch)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=scratch)
        if done.returncode != 0:
            msg = f"npm could not fetch {self.name} {self.version}: {done.stderr.strip()[-300:]}"
            raise UnavailableError(msg)
        return next(scratch.glob("*.tgz"))


def _moved(unpacked: Path, home: Path) -> None:
    """Put it in its place in one step: two workers of a test run may both have fetched it."""
    home.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=home.parent))
    shutil.copytree(unpacked, beside, dirs_exist_ok=True)
    try:
        beside.rename(home)
    except OSError:  # the other one was first
        shutil.rmtree(beside)
