"""`tocsin report` in processes of their own, over a tree of files, to the deployed stack; and what of it is where.

Contract 4.15 [T].
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import urllib3
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from build.toolchain import ROOT
from local.loopback import HOST
from local.stack import Stack
from tests.e2e.test_cli import TOCSIN
from tests.e2e.test_people import Person, a_person
from tests.support.certificates import Authority, Made, self_signed
from tests.support.stores import PASSWORD, KeyEntry, Trusted, by_keytool, by_openssl, jks, older_encryption, p12
from tests.support.waiting import until
from tocsin_cli.exits import Exit

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]  # the first test waits for the stack
CA = Authority()
_UNPRIVILEGED = ("setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search")
"""Runs what follows as one who may not read every file, whoever runs the tests."""


# ── What a host has ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Host:
    """A tree of files, which certificates are to be found in it, and the keys that lie beside them."""

    root: Path
    name: str = field(default_factory=lambda: f"web-{uuid.uuid4().hex[:8]}")
    expected: dict[str, Made] = field(default_factory=dict)
    """By place."""
    keys: list[Made] = field(default_factory=list)

    def made(self, name: str, serial: int = 0) -> Made:
        """Make a certificate with a key of its own."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = CA.issued(common_name=name, names=[name], key=key, serial=serial or len(self.keys) + 1)
        self.keys.append(made)
        return made

    def write(self, path: str, data: bytes | str, *beside: Made) -> Path:
        """Write a file, and the keys of `beside` in others."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data if isinstance(data, bytes) else data.encode())
        for made in beside:
            file.with_suffix(".key").write_text(made.key_pem)
            file.with_name(f"{file.stem}-privkey.pem").write_text(made.key_pem)
        return file

    def holds(self, path: str, data: bytes | str, made: Made, entry: str = "") -> None:
        """Write a file in which a certificate is to be found."""
        self.expected[str(self.write(path, data, made)) + entry] = made


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A host with every kind of file, the usual and the broken ones; a private key beside each."""
    host = Host(tmp_path / "etc")
    root = CA.certificate()
    chain, both, der, self_made = (host.made(f"{name}.example.com") for name in ("chain", "both", "der", "own"))
    host.holds("live/shop/fullchain.pem", chain.pem + root.pem, chain)
    host.holds("haproxy/site.pem", both.key_pem + both.pem + root.pem, both)
    host.holds("der/server.der", der.der, der)
    own = self_signed(common_name="nas.local", names=["nas.local"], key=self_made.key, is_authority=True)
    host.holds("own/nas.crt", own.pem, own)
    stores: dict[str, Callable[[Made], bytes]] = {
        "new.p12": lambda made: p12(made, [root]),
        "older.pfx": lambda made: p12(made, [root], encryption=older_encryption()),
        "java.jks": lambda made: by_keytool(tmp_path / "java", made, "JKS"),
        "java.jceks": lambda made: by_keytool(tmp_path / "jceks", made, "JCEKS"),
        "java.keystore": lambda made: by_keytool(tmp_path / "keystore", made, "PKCS12"),
        "clear.jks": lambda made: jks(KeyEntry("tomcat", [made, root]), Trusted("root", root)),
    }
    for name, store in stores.items():
        made = host.made(f"{name.replace('.', '-')}.example.com")
        host.holds(f"stores/{name}", store(made), made, "#tomcat")
    legacy = host.made("legacy.example.com")
    host.holds("stores/legacy.p12", by_openssl(tmp_path / "legacy.p12", legacy, "-legacy"), legacy)

    broken = host.made("broken.example.com")
    host.write("broken/cut.pem", broken.pem[:200] + "\n" + broken.key_pem, broken)
    host.write("broken/cut.p12", p12(broken)[:-300], broken)
    host.write("broken/cut.jks", jks(KeyEntry("x", [broken]))[:-200], broken)
    host.write("broken/disguised.pem", broken.key_pem.replace("PRIVATE KEY", "CERTIFICATE"), broken)
    host.write("broken/key.der", _key_der(broken))
    host.write("broken/unreadable.pem", broken.pem + broken.key_pem).chmod(0)
    other = host.made("other.example.com")
    host.write("broken/another-password.p12", p12(other, encryption=_encrypted("another one")), other)
    with (host.root / "broken/huge.pem").open("wb") as file:
        file.write(broken.key_pem.encode())
        file.truncate(1024**3)
    os.mkfifo(host.root / "broken/pipe.pem")
    outside = tmp_path / "outside.pem"
    outside.write_text(host.made("outside.example.com").pem)
    (host.root / "broken/out.pem").symlink_to(outside)
    (host.root / "broken/loop").symlink_to(host.root)
    yield host
    (host.root / "broken/unreadable.pem").chmod(0o600)


PROBLEMS = {
    "broken/cut.pem": "a certificate in it is cut off",
    "broken/cut.p12": "it is broken: its ASN.1 can't be read",
    "broken/cut.jks": "it is cut off, or broken",
    "broken/disguised.pem": "a certificate in it can't be read",
    "broken/unreadable.pem": "can't be read: Permission denied",
    "broken/another-password.p12": "its certificates are encrypted, and no password that was given opens them",
    "broken/huge.pem": "it has more than 1,048,576 bytes, and was not read",
}


def _encrypted(password: str) -> Any:
    return PrivateFormat.PKCS12.encryption_builder().kdf_rounds(2_000).build(password.encode())


def _key_der(made: Made) -> bytes:
    return made.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def secrets_of(keys: Sequence[Made]) -> set[str]:
    """Give all that would betray a key: each line of it, and its very number in each way that text has it."""
    found: set[str] = set()
    for made in keys:
        assert isinstance(made.key, ec.EllipticCurvePrivateKey)
        number = made.key.private_numbers().private_value.to_bytes(32, "big")
        for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL, PrivateFormat.OpenSSH):
            lines = made.key.private_bytes(Encoding.PEM, form, NoEncryption()).decode().splitlines()
            found |= {line for line in lines[1:-1] if form is not PrivateFormat.OpenSSH or number_in(line, number)}
        found |= {number.hex(), str(int.from_bytes(number, "big"))}
        for shift in range(3):  # base64 of it, wherever in three bytes it begins
            found.add(base64.b64encode(bytes(shift) + number).decode()[4:40])
    return {secret for secret in found if len(secret) > 12}


def number_in(line: str, number: bytes) -> bool:
    """Tell whether a line of base64 has some of a key's number: OpenSSH's begin with what all of them have."""
    try:
        data = base64.b64decode(line + "=" * (-len(line) % 4))
    except ValueError:
        return False
    return any(number[at : at + 8] in data for at in range(24))


# ── The way to the stack ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Proxy:
    """A proxy on loopback that keeps each request whole, and may let only some through."""

    url: str = ""
    requests: list[str] = field(default_factory=list)
    lets_through: int = 10_000
    stopped: threading.Event = field(default_factory=threading.Event)
    """Set once a request was not let through."""
    released: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with a_proxy() as found:
        yield found


@contextmanager
def a_proxy() -> Iterator[Proxy]:
    """Serve until the block ends."""
    proxy = Proxy()
    pool = urllib3.PoolManager(retries=False, timeout=60)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            proxy.requests.append(f"{self.requestline}\n{self.headers}\n{body.decode()}")
            if len(proxy.requests) > proxy.lets_through:
                proxy.stopped.set()
                proxy.released.wait(60)
                return
            headers = {name: value for name, value in self.headers.items() if name.lower() != "proxy-connection"}
            answer = pool.request("POST", self.path, body=body, headers=headers, redirect=False)
            self.send_response(answer.status)
            for name in ("Content-Type", "x-amzn-RequestId"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("Content-Length", str(len(answer.data)))
            self.end_headers()
            self.wfile.write(answer.data)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        server.daemon_threads = True
        proxy.url = f"http://{HOST}:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield proxy
        finally:
            proxy.released.set()
            server.shutdown()
            thread.join()
            pool.clear()


def environment(stack: Stack, agent: Person, proxy: Proxy) -> dict[str, str]:
    """Give what a unit of a host has: where the API is, its own credentials, the way there, a password."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "cli"),
        "AWS_ACCESS_KEY_ID": agent.access_key_id,
        "AWS_SECRET_ACCESS_KEY": agent.secret_access_key,
        "AWS_DEFAULT_REGION": stack.region,
        "TOCSIN_API_URL": stack.api_url,
        "TOCSIN_STORE_PASSWORD": PASSWORD,
        "HTTP_PROXY": proxy.url,
    }


def command(*arguments: object) -> list[str]:
    """Give the command of a user who may not read every file."""
    is_root = os.geteuid() == 0
    if is_root and shutil.which(_UNPRIVILEGED[0]) is None:
        pytest.skip("root reads every file, and there is no setpriv here")
    return [*(_UNPRIVILEGED if is_root else ()), *TOCSIN, *map(str, arguments)]


def reported(told: Mapping[str, str], host: Host, *arguments: object) -> subprocess.CompletedProcess[str]:
    asked = command("report", host.root, "--name", host.name, "--json", *arguments)
    return subprocess.run(asked, env=dict(told), capture_output=True, text=True, check=False, timeout=120)


def rows_of(stack: Stack, host: Host) -> dict[str, dict[str, Any]]:
    """Give the certificates of a host, by their places."""
    found: dict[str, dict[str, Any]] = {}
    query = {"limit": "100"}
    while True:
        page = stack.api.request("GET", "/api/v1/certificates", query=query).json()
        own = [row for row in page["items"] if row["source_ref"].startswith(f"{host.name}:")]
        found |= {row["source_ref"].removeprefix(f"{host.name}:"): row for row in own}
        if page["next_cursor"] is None:
            return found
        query["cursor"] = page["next_cursor"]


def tables_of(stack: Stack) -> str:
    """Give all that is stored, as one text."""
    client = stack.client("dynamodb")
    names = client.list_tables()["TableNames"]
    pages = [page for name in names for page in client.get_paginator("scan").paginate(TableName=name)]
    return json.dumps([page["Items"] for page in pages], default=str)


def logs_of(stack: Stack) -> str:
    """Give all that was logged, as one text."""
    logs = stack.client("logs")
    groups = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]
    pages = [
        page
        for group in groups
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
    ]
    return "\n".join(event["message"] for page in pages for event in page["events"])


def test_every_certificate_is_found_and_no_key_is_anywhere(stack: Stack, host: Host, proxy: Proxy) -> None:
    """Contract 4.15 [T]: in no request, answer, log or table, by a host that may only report."""
    with a_person(stack, "AgentPolicyArn") as agent:
        told = environment(stack, agent, proxy)
        first = reported(told, host)
        assert first.returncode == Exit.REFUSED, first.stderr  # some can't be read, and that is said
        rows = rows_of(stack, host)
        assert rows.keys() == host.expected.keys()
        for place, made in host.expected.items():
            assert rows[place]["serial"] == format(made.certificate.serial_number, "x"), place
        said = {line.partition(": ")[0]: line.partition(": ")[2] for line in first.stderr.splitlines()}
        assert {str(host.root / path): why for path, why in PROBLEMS.items()}.items() <= said.items()
        assert "1 a link out of the directory" in first.stderr
        assert "1 no regular file" in first.stderr

        seen = stack.api.request("GET", f"/api/v1/agents/{host.name}").json()
        assert (seen["certificates"], seen["problem_count"]) == (len(host.expected), len(PROBLEMS))
        assert {one["path"]: one["problem"] for one in seen["problems"]} == {
            str(host.root / path): why for path, why in PROBLEMS.items()
        }
        assert seen["reported_by"].endswith(agent.name)

        again = [json.loads(line)["result"] for line in reported(told, host).stdout.splitlines()]
        assert again == ["unchanged"] * len(rows)
        assert rows_of(stack, host) == rows
        assert agent.call("GET", "/certificates") == 403
        assert agent.call("GET", f"/agents/{host.name}") == 403

    refused = stack.api.request(
        "POST",
        f"/api/v1/agents/{host.name}/reports",
        json_body={
            "report_id": "a-report",
            "period_seconds": 60,
            "last": True,
            "certificates": [{"path": "/x", "pem": host.keys[0].pem + host.keys[0].key_pem}],
        },
    )
    assert refused.status == 422
    logs = until(lambda: logs_of(stack), is_right=lambda text: text.count("REPORT RequestId") >= 3, seconds=60)
    everywhere = {
        "requests": "\n".join(proxy.requests),
        "output": first.stdout + first.stderr,
        "answer": refused.body.decode(),
        "logs": logs,
        "tables": tables_of(stack),
    }
    assert len(proxy.requests) == 2
    secrets = secrets_of(host.keys)
    assert len(secrets) > 5 * len(host.keys)
    assert any(secret in host.keys[0].key_pem for secret in secrets)  # they would be found
    for where, text in everywhere.items():
        assert host.name in text or where in ("answer", "logs", "output"), where
        plain = text.replace("\\n", "\n")
        assert not [secret for secret in (*secrets, PASSWORD) if secret in plain], where
        assert "PRIVATE KEY" not in plain, where


def test_a_renewed_file_updates_its_row(stack: Stack, host: Host, proxy: Proxy) -> None:
    """Contract 4.15 [T]: the row is the place."""
    place = str(host.root / "live/shop/fullchain.pem")
    with a_person(stack, "AgentPolicyArn") as agent:
        told = environment(stack, agent, proxy)
        reported(told, host)
        before = rows_of(stack, host)[place]
        renewed = CA.issued(common_name="chain.example.com", not_after=_later(before["expires_at"]), serial=0xFEED)
        Path(place).write_text(renewed.pem)
        results = {one["path"]: one["result"] for one in map(json.loads, reported(told, host).stdout.splitlines())}
    assert [path for path, result in results.items() if result != "unchanged"] == [place]
    after = rows_of(stack, host)[place]
    assert (after["id"], after["serial"], results[place]) == (before["id"], "feed", "renewed")


def _later(at: str) -> datetime:
    return datetime.fromisoformat(at) + timedelta(days=90)


def test_a_report_that_is_killed_midway_is_mended_by_the_next(stack: Stack, tmp_path: Path, proxy: Proxy) -> None:
    """Contract 4.15 [T]: nothing is half-written, and it is no heartbeat."""
    host = Host(tmp_path / "many")
    for number in range(60):
        made = host.made(f"host-{number}.example.com")
        host.holds(f"{number:02}.pem", made.pem, made)
    proxy.lets_through = 1
    with a_person(stack, "AgentPolicyArn") as agent:
        told = environment(stack, agent, proxy)
        asked = command("report", host.root, "--name", host.name, "--json")
        with subprocess.Popen(asked, env=told, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert proxy.stopped.wait(60)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        half = rows_of(stack, host)
        assert len(half) == 50
        assert stack.api.request("GET", f"/api/v1/agents/{host.name}").status == 404
        proxy.lets_through = 10_000
        results = [json.loads(line)["result"] for line in reported(told, host).stdout.splitlines()]
    assert sorted(results) == ["created"] * 10 + ["unchanged"] * 50
    whole = rows_of(stack, host)
    assert whole.keys() == host.expected.keys()
    assert {place: whole[place] for place in half} == half
    assert stack.api.request("GET", f"/api/v1/agents/{host.name}").json()["certificates"] == 60
