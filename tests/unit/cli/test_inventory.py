"""Certificates, policies and channels from the command line."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Authority, self_signed
from tests.support.cli_api import ID, OTHER, RecordedApi, a_notification, a_page
from tests.unit.cli.test_lists import CERTIFICATE, POLICY
from tocsin_cli.commands.importing import requests_of
from tocsin_cli.exits import Exit

IMPORTED = {"items": [{"result": "created", "certificate": CERTIFICATE}]}


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    """A file as servers have it: the private key stands beside its certificate."""
    made = self_signed(common_name="shop.example.com")
    file = tmp_path / "shop.pem"
    file.write_text(f"Bag Attributes\n{made.key_pem}{made.pem}")
    return file


# ── Import ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_import_sends_certificates_and_never_a_key(api: RecordedApi, pem: Path) -> None:
    api.answers["POST /certificates/import"] = IMPORTED
    done = api.run("import", str(pem), "--owner", OTHER)
    assert done.exit_code == 0, done.output
    (asked,) = api.asked
    assert asked.body["owner_id"] == OTHER
    assert asked.body.keys() == {"pem", "owner_id"}
    assert asked.body["pem"].strip() == self_signed_part(pem)
    assert "PRIVATE" not in asked.body["pem"]
    assert done.stdout.split("\t")[1:4] == ["created", ID, "shop.example.com"]
    assert "1 created" in done.stderr


def test_an_import_may_say_where_they_are_used(api: RecordedApi, pem: Path) -> None:
    api.answers["POST /certificates/import"] = IMPORTED
    said = ("--environment", "production", "--tag", "team=web", "--tag", "note=a=b")
    assert api.run("import", str(pem), *said).exit_code == 0
    (asked,) = api.asked
    assert (asked.body["environment"], asked.body["tags"]) == ("production", {"team": "web", "note": "a=b"})
    wrong = api.run("import", str(pem), "--tag", "team")
    assert (wrong.exit_code, len(api.asked)) == (Exit.USAGE, 1)


def self_signed_part(pem: Path) -> str:
    text = pem.read_text()
    return text[text.index("-----BEGIN CERTIFICATE-----") :].strip()


def test_a_key_between_a_certificate_that_is_cut_off_and_its_end_is_not_sent(api: RecordedApi, pem: Path) -> None:
    whole = pem.read_text()
    certificate = self_signed_part(pem)
    pem.write_text(certificate[:200] + "\n" + whole)
    done = api.run("import", str(pem))
    assert (done.exit_code, api.asked) == (Exit.REFUSED, [])
    assert "cut off" in done.stderr


def test_each_file_has_its_own_answer(api: RecordedApi, pem: Path, tmp_path: Path) -> None:
    api.answers["POST /certificates/import"] = IMPORTED
    (tmp_path / "none.pem").write_text("nothing of that kind")
    done = api.run("import", str(tmp_path / "none.pem"), "/nowhere.pem", str(pem), "--json")
    assert done.exit_code == Exit.REFUSED
    assert "there is no certificate in it" in done.stderr
    assert "/nowhere.pem: " in done.stderr
    (line,) = done.stdout.splitlines()
    assert json.loads(line) == {"file": str(pem), **IMPORTED["items"][0]}


def test_what_the_api_refuses_is_said_of_the_file(api: RecordedApi, pem: Path) -> None:
    api.answers["POST /certificates/import"] = [(422, {"detail": "pem certificate 1 can't be read"}), IMPORTED]
    done = api.run("import", str(pem), str(pem))
    assert done.exit_code == Exit.REFUSED
    assert f"{pem}: pem certificate 1 can't be read" in done.stderr
    assert len(api.asked) == 2


def test_a_standard_input_is_a_file(api: RecordedApi, pem: Path) -> None:
    api.answers["POST /certificates/import"] = IMPORTED
    assert api.run("import", "-", typed=pem.read_text()).exit_code == 0


def test_a_large_file_is_sent_in_parts() -> None:
    """The API takes 200 certificates and 512 KB at a time."""
    certificate = Authority().certificate().pem
    parts = list(requests_of(certificate * 250))
    assert [part.count("BEGIN") for part in parts] == [100, 100, 50]
    assert all(len(part) <= 512 * 1024 for part in parts)


# ── Certificates ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_certificate_is_found_by_its_name(api: RecordedApi) -> None:
    told = {"status": "Expiring", "policy": "shops", "summary": "Nobody was alerted.", "problems": ["owner x unknown"]}
    api.answers |= {
        "GET /certificates": a_page(CERTIFICATE),
        f"GET /certificates/{ID}/explain": told | {"told": [], "findings": [], "next": None},
    }
    lines = api.run("explain", "Shop.Example.com").stdout.splitlines()
    assert lines == ["Status\tExpiring", "Policy\tshops", "In short\tNobody was alerted.", "Problem\towner x unknown"]


def test_what_happened_is_explained_and_what_is_awaited(api: RecordedApi) -> None:
    """Contract 4.10 [T]."""
    event: dict[str, Any] = {
        "event": "RenewalFailure",
        "subject": "",
        "at": "2026-03-01T12:00:00Z",
        "severity": "critical",
    }
    untold: dict[str, Any] = event | {
        "event": "RenewalSuccess",
        "severity": None,
        "told_by": [],
        "detail": "",
        "reason": "nobody is",
    }
    awaited = {
        "identity": "abc@1780000000",
        "origin": "certificate/x",
        "since": "2026-03-01T12:00:00Z",
        "until": "2026-03-01T18:00:00Z",
        "failed_at": None,
    }
    said: dict[str, Any] = {
        "status": "Active",
        "policy": "shops",
        "summary": "1 alert.",
        "problems": [],
        "next": None,
        "findings": [],
    }
    told: dict[str, Any] = {
        "notification_id": OTHER,
        "about": "RenewalFailure",
        "threshold": None,
        "raised_at": event["at"],
    }
    told |= {"severity": "critical", "channel": "Email", "arrived": True, "fate": "it was"}
    said |= {"told": [told], "happened": [event | {"told_by": [OTHER], "detail": "CAA.", "reason": ""}, untold]}
    api.answers |= {f"GET /certificates/{ID}": CERTIFICATE, f"GET /certificates/{ID}/explain": said}
    api.answers[f"GET /certificates/{ID}/explain"] = said | {"awaited": awaited}
    lines = [line for line in api.run("explain", ID).stdout.splitlines() if "\t" in line]
    assert "Awaits\tthe certificate abc@1780000000, which certificate/x has: it is to be served by" in lines[3]
    assert lines[4:] == [
        "RenewalFailure\t2026-03-01T12:00:00Z\tcritical\tyes\tCAA",
        "RenewalSuccess\t2026-03-01T12:00:00Z\t\tno\tnobody is",
        f"{OTHER}\t2026-03-01T12:00:00Z\tRenewalFailure\tcritical\tEmail\tyes\tit was",
    ]
    late = api.answers[f"GET /certificates/{ID}/explain"]
    late["awaited"]["failed_at"] = "2026-03-01T18:00:00Z"
    assert "it was to be served by" in api.run("explain", ID).stdout


def test_a_policys_events_are_shown(api: RecordedApi) -> None:
    """A stack of an earlier release has none."""
    events = {"RenewalSuccess": None, "Revocation": "critical"}
    api.answers[f"GET /renewal-policies/{ID}"] = POLICY | {"events": events, "deployment_grace_hours": 48}
    lines = api.run("policies", "show", ID).stdout.splitlines()
    assert "RenewalSuccess\tnobody is told" in lines
    assert "Revocation\tcritical" in lines
    assert "A server has\t48 hours for a renewed certificate" in lines


def test_a_name_of_several_certificates_is_refused_with_their_ids(api: RecordedApi) -> None:
    api.answers["GET /certificates"] = a_page(CERTIFICATE, CERTIFICATE | {"id": OTHER})
    done = api.run("explain", "shop.example.com")
    assert (done.exit_code, done.stdout) == (Exit.REFUSED, "")
    assert ID in done.stderr
    assert OTHER in done.stderr


def test_a_name_of_none_is_not_found(api: RecordedApi) -> None:
    api.answers["GET /certificates"] = a_page()
    assert api.run("certificates", "show", "nobody.example.com").exit_code == Exit.NOT_FOUND


def test_a_certificate_is_shown_with_its_alerts(api: RecordedApi) -> None:
    api.answers |= {
        f"GET /certificates/{ID}": CERTIFICATE,
        f"GET /certificates/{ID}/notifications": a_page(a_notification(id=OTHER)),
    }
    said = api.run("certificates", "show", ID).stdout
    assert "Chain\tself-signed" in said
    assert OTHER in said
    one = json.loads(api.run("certificates", "show", ID, "--json").stdout)
    assert [row["id"] for row in one["notifications"]] == [OTHER]


def test_an_expiry_is_ahead(api: RecordedApi) -> None:
    api.answers["GET /certificates"] = a_page()
    api.run("certificates", "--expires-before", "2026-03-15", "--policy", ID, "--owner", OTHER, "--status", "Expiring")
    expected = {"expires_before": "2026-03-15T00:00:00Z", "policy_id": ID, "owner_id": OTHER, "status": "Expiring"}
    assert api.asked[0].query == expected | {"limit": "51"}


def test_certificates_are_asked_for_by_all_that_is_known_of_them(api: RecordedApi) -> None:
    """Contract 4.14 [T]: the flags are the API's filters, and each tag is said."""
    api.answers["GET /certificates"] = a_page(CERTIFICATE)
    said = {
        "--name": "shop",
        "--environment": "production",
        "--key-kind": "RSA",
        "--key-size-below": "2048",
        "--signature-algorithm": "SHA1-RSA",
        "--issuer": OTHER,
        "--source": "acm-pca",
    }
    flags = [text for pair in said.items() for text in pair]
    done = api.run("certificates", *flags, "--unused", "--tag", "team=web=1", "--tag", "pci")
    assert done.exit_code == 0, done.output
    (asked,) = api.asked
    names = {flag.lstrip("-").replace("-", "_"): value for flag, value in said.items()}
    names["issuer_id"] = names.pop("issuer")
    assert asked.query == names | {"tag": "pci", "in_use": "false", "limit": "51"}
    assert asked.pairs.count(("tag", "team:web=1")) == asked.pairs.count(("tag", "pci")) == 1
    assert done.stdout.rstrip("\n").split("\t")[-2:] == ["production", "EC, 256 bits"]


VERSION = {
    "id": OTHER,
    "first_seen_at": "2026-01-01T00:00:00Z",
    "last_seen_at": "2026-02-01T00:00:00Z",
    "gone_at": None,
    "times_seen": 3,
    "source": "tls",
    "source_ref": "shop.example.com:443",
    "issuer": "CN=Test CA",
    "serial": "0abc",
    "fingerprint_sha256": "ab" * 32,
    "not_before": None,
    "expires_at": "2026-03-06T12:00:00Z",
    "key_kind": "EC",
    "key_size": 256,
    "signature_algorithm": "SHA256-RSA",
}


def test_the_versions_of_a_certificate_are_found_by_its_name(api: RecordedApi) -> None:
    api.answers |= {
        "GET /certificates": a_page(CERTIFICATE),
        f"GET /certificates/{ID}/versions": a_page(
            VERSION, VERSION | {"serial": "", "gone_at": "2026-02-01T00:00:00Z"}
        ),
    }
    done = api.run("certificates", "versions", "SHOP.example.com")
    assert done.exit_code == 0, done.output
    now, before = (line.split("\t") for line in done.stdout.splitlines())
    assert now[:5] == ["0abc", "2026-02-01T00:00:00Z", "2026-01-01T00:00:00Z", "", "3"]
    assert (before[0], before[3]) == ("ab" * 32, "2026-02-01T00:00:00Z")
    assert now[-2:] == ["EC, 256 bits", "ab" * 32]


def test_a_stack_of_an_earlier_release_is_shown_as_far_as_it_goes(api: RecordedApi) -> None:
    new = {"key_kind", "key_size", "signature_algorithm", "environment", "tags", "in_use_by", "replaced_at"}
    api.answers[f"GET /certificates/{ID}"] = {
        name: value for name, value in CERTIFICATE.items() if name not in {*new, "replaced_by"}
    }
    api.answers[f"GET /certificates/{ID}/notifications"] = a_page()
    done = api.run("certificates", "show", ID)
    assert done.exit_code == 0, done.output


# ── Policies ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_policy_is_simulated_as_it_is_with_what_is_tried_instead(api: RecordedApi, tmp_path: Path) -> None:
    alert = {
        "at": "2026-03-06T12:00:00Z",
        "certificate_id": ID,
        "common_name": "shop.example.com",
        "threshold": "0",
        "expires_at": "2026-03-06T12:00:00Z",
        "severity": "critical",
        "channel": None,
        "message": "It expired.",
    }
    api.answers |= {
        f"GET /renewal-policies/{ID}": POLICY,
        f"POST /renewal-policies/{ID}/simulate": {"items": [alert], "certificates": 1, "is_complete": False},
    }
    draft = tmp_path / "draft.json"
    draft.write_text('{"channels": {"warning": ["SNS"]}}')
    span = ["--start", "2026-03-01", "--end", "2026-04-01"]
    done = api.run("simulate", ID, *span, "--threshold", "60", "--threshold", "33%", "--draft", str(draft))
    assert done.exit_code == 0, done.output
    assert api.asked[1].body == {
        "name": "shops",
        "alert_thresholds_days": [60, "33%"],
        "severities": {},
        "channels": {"warning": ["SNS"]},
        "fallbacks": {"Webhook": "Email"},
        "start": "2026-03-01T00:00:00Z",
        "end": "2026-04-01T00:00:00Z",
        "all_certificates": False,
    }
    assert done.stdout.split("\t")[:5] == ["2026-03-06T12:00:00Z", "shop.example.com", "0", "critical", "nobody"]
    assert "more certificates, or more alerts" in done.stderr


def test_a_policy_is_shown_with_its_defaults(api: RecordedApi) -> None:
    api.answers[f"GET /renewal-policies/{ID}"] = POLICY
    lines = api.run("policies", "show", ID).stdout.splitlines()
    assert "Threshold 33%\twarning" in lines
    assert "critical\tnobody" in lines
    assert "If Webhook fails\tEmail" in lines


@pytest.mark.parametrize("text", ["no json", "[]"])
def test_a_draft_that_can_not_be_read_is_wrong_usage(api: RecordedApi, tmp_path: Path, text: str) -> None:
    api.answers[f"GET /renewal-policies/{ID}"] = POLICY
    draft = tmp_path / "draft.json"
    draft.write_text(text)
    assert api.run("simulate", ID, "--draft", str(draft)).exit_code == Exit.USAGE


# ── Channels ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("result", "code"), [("delivered", 0), ("accepted", 0), ("permanent", 1), ("unknown", 1)])
def test_a_test_ends_as_the_message_did(api: RecordedApi, result: str, code: int) -> None:
    said = {"result": result, "http_status": 401, "error": "HTTP 401", "retry_after": None, "duration_ms": 12}
    api.answers["POST /channels/Slack%3Apayments/test"] = said
    done = api.run("channels", "test", "Slack:payments", "--severity", "critical")
    assert done.exit_code == code
    assert done.stdout.splitlines() == [f"Result\t{result}", "Answer\tHTTP 401", "Error\tHTTP 401", "Took\t12 ms"]
    assert api.asked[0].body == {"recipient": "", "severity": "critical"}


def test_a_preview_may_be_of_a_draft(api: RecordedApi, tmp_path: Path) -> None:
    made = {"subject": "Hello", "body": "one\x1b[2J\ntwo", "html": None, "template": None, "problem": None}
    api.answers["POST /channels/Email/preview"] = made
    draft = tmp_path / "body.txt"
    draft.write_text("{{ message }}")
    done = api.run("channels", "preview", "Email", "--draft", f"body={draft}", "--type", "Custom:disk")
    assert done.stdout.splitlines() == ["Subject\tHello", "", "one", "two"]
    assert api.asked[0].body == {"type": "Custom:disk", "template": {"body": "{{ message }}"}}


@pytest.mark.parametrize("draft", ["body", "footer=x", "body=/nowhere"])
def test_a_draft_is_a_part_and_a_file(api: RecordedApi, draft: str) -> None:
    assert api.run("channels", "preview", "Email", "--draft", draft).exit_code == Exit.USAGE
    assert api.asked == []
