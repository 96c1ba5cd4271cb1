"""Pebble, the ACME authority that Let's Encrypt tests clients with: built by Go from its module, run on loopback.

Nothing of it is committed: its licence is its own. `python -m local.pebble` installs it.
"""

import base64
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme
import urllib3

from build.toolchain import LOCAL
from local.background import Background
from local.loopback import HOST, free_port, listens

MODULE = "github.com/letsencrypt/pebble/v2"
VERSION = "v2.10.1"
SUM = "h1:oKHx3lgN4e5Nno2LKTMrVx+b+NkDptkO9aDireiBDGE="
"""The module's checksum, as go.sum has it. The program says which one it was built from."""
HOME = LOCAL / "pebble" / VERSION
PROGRAM = HOME / "pebble"
GO_HOMES = (Path("/usr/local/go/bin"), Path("/usr/lib/go/bin"), Path("/opt/homebrew/bin"))
"""Where Go is when it is not on the PATH."""
START_PATIENCE = 30.0  # seconds


class UnavailableError(Exception):
    """Pebble can't be had on this machine; the message says why."""


def go() -> str:
    """Find the Go toolchain; raise UnavailableError."""
    found = shutil.which("go") or shutil.which("go", path=os.pathsep.join(map(str, GO_HOMES)))
    if found is None:
        raise UnavailableError("go is not installed, and Pebble is built by it")
    return found


def install() -> None:
    """Build the pinned version, if it is not there; what the program was built from is compared with what is pinned."""
    if PROGRAM.exists():
        return
    HOME.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=HOME.parent) as scratch:
        built = Path(scratch, "pebble")
        _go("install", f"{MODULE}/cmd/pebble@{VERSION}", scratch=Path(scratch))
        told = _go("version", "-m", str(built), scratch=Path(scratch)).split()
        if SUM not in told:
            raise UnavailableError(f"what Go built for {MODULE} {VERSION} is not what was pinned")
        HOME.mkdir(exist_ok=True)
        built.replace(PROGRAM)  # in one step: what is there is whole


def _go(*arguments: str, scratch: Path) -> str:
    """Run Go with the machine's own settings of where modules come from, and give what it printed."""
    kept = {
        **os.environ,
        "GOBIN": str(scratch.resolve()),
        "GOFLAGS": "-mod=mod -modcacherw",
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
    }
    if "HOME" not in kept:  # it would not know where to cache
        kept |= {"GOPATH": str(scratch / "go"), "GOCACHE": str(scratch / "cache")}
    done = subprocess.run([go(), *arguments], capture_output=True, text=True, check=False, env=kept, cwd=scratch)
    if done.returncode != 0:
        raise UnavailableError(f"go {arguments[0]} failed: {done.stderr.strip()[-300:]}")
    return done.stdout


@dataclass(frozen=True, slots=True)
class Pebble:
    """A running authority."""

    directory_url: str
    management_url: str
    server_root: str
    """The certificate that its own address is verified by, as PEM. What it issues has another root."""

    @property
    def encoded_root(self) -> str:
        """The same, as base64 of PEM."""
        return base64.b64encode(self.server_root.encode()).decode()

    def root(self) -> str:
        """Give the root of what it issues, as PEM: a new one at each start."""
        return self._management("GET", "/roots/0").decode()

    def suggest(self, certificate: str, start: str, end: str) -> None:
        """Have it suggest this window for the renewal of a certificate that it issued."""
        window = json.dumps({"suggestedWindow": {"start": start, "end": end}})
        body = json.dumps({"certificate": certificate, "ariResponse": window})
        self._management("POST", "/set-renewal-info/", body.encode())

    def _management(self, method: str, path: str, body: bytes | None = None) -> bytes:
        context = ssl.create_default_context(cadata=self.server_root)
        with urllib3.PoolManager(ssl_context=context, retries=False) as pool:
            answer = pool.request(method, self.management_url + path, body=body)
        if answer.status != 200:  # noqa: PLR2004 - OK
            raise RuntimeError(f"Pebble answers {answer.status} to {method} {path}: {answer.data[:300]!r}")
        return answer.data


@contextmanager
def running(state_dir: Path, *, dns_server: str, validity: dict[str, int] | None = None) -> Iterator[Pebble]:
    """Run it, with nothing issued yet, for as long as the block runs.

    `dns_server` (host:port, TCP) is asked for the records of challenges; `validity` has seconds by profile's name.
    """
    install()
    ports = free_port(), free_port()
    authority = Background(f"pebble-{ports[0]}", state_dir)
    server_root = _configured(state_dir, *ports, validity or {"default": 90 * 24 * 3600})
    environment = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
    authority.start([PROGRAM, "-strict", "-config", state_dir / "pebble.json", "-dnsserver", dns_server], environment)
    try:
        deadline = time.monotonic() + START_PATIENCE
        while not all(map(listens, ports)):
            if authority.pid() is None or time.monotonic() > deadline:
                raise UnavailableError(f"Pebble did not start. Its output is in {authority.log}")
            time.sleep(0.05)
        yield Pebble(f"https://{HOST}:{ports[0]}/dir", f"https://{HOST}:{ports[1]}", server_root)
    finally:
        authority.stop()


def _configured(state_dir: Path, port: int, management_port: int, validity: dict[str, int]) -> str:
    """Write its configuration and the certificate of its address; give that one's root."""
    state_dir.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    own = authority.issue_cert(HOST)
    own.private_key_pem.write_to_path(state_dir / "pebble.key.pem")
    own.cert_chain_pems[0].write_to_path(state_dir / "pebble.pem")
    profiles = {name: {"description": name, "validityPeriod": seconds} for name, seconds in validity.items()}
    settings = {
        "listenAddress": f"{HOST}:{port}",
        "managementListenAddress": f"{HOST}:{management_port}",
        "certificate": str(state_dir / "pebble.pem"),
        "privateKey": str(state_dir / "pebble.key.pem"),
        "httpPort": 5002,  # never used: challenges are answered by DNS
        "tlsPort": 5001,
        "keyAlgorithm": "ecdsa",
        "profiles": profiles,
        "retryAfter": {"authz": 1, "order": 1},
    }
    (state_dir / "pebble.json").write_text(json.dumps({"pebble": settings}, indent=2))
    return authority.cert_pem.bytes().decode()


def main() -> int:
    """Install; where that is not possible say why, and fail only where a skip is refused (CI)."""
    try:
        install()
    except UnavailableError as why:
        sys.stderr.write(f"Pebble: {why}. Its tests will be skipped.\n")
        return 1 if os.environ.get("CI") == "true" and is_go_there() else 0
    return 0


def is_go_there() -> bool:
    """Tell whether Go is on this machine, so that a skip would hide something."""
    try:
        go()
    except UnavailableError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
