"""What is made to try things with: a certificate that a TLS server can show, and that a source reads."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.certificate import main, self_signed
from local.receiver import Receiver, answers, shows
from tocsin.sources.pem import read_pem

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_it_is_for_its_name_and_has_so_much_time_left() -> None:
    (seen,) = read_pem(self_signed("mail.example.com", timedelta(days=20), NOW))
    assert (seen.common_name, seen.names) == ("mail.example.com", ("mail.example.com",))
    assert seen.expires_at == NOW + timedelta(days=20)
    assert seen.not_before == seen.expires_at - timedelta(days=90)


def test_the_receiver_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`python -m local.receiver --tls`, with the file that `python -m local.certificate` writes."""
    monkeypatch.setattr("sys.argv", ["certificate", "mail.example.com", "--days", "20"])
    main()
    file = tmp_path / "mail.pem"
    file.write_text(capsys.readouterr().out)

    async def shown() -> str:
        async with Receiver(answers(204), shows(str(file))) as receiver:
            return await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", receiver.port))

    (seen,), (written,) = read_pem(asyncio.run(shown())), read_pem(file.read_text())
    assert seen.fingerprint_sha256 == written.fingerprint_sha256
