"""One renewal, step by step, as the state machine walks it."""

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from local.loopback import free_port
from local.pebble import Pebble
from renewer import steps
from renewer.errors import AuthorityBusyError, OrderSpentError, RefusedError
from tests.integration.renewer.conftest import REGION, Zone, asked, forget

pytestmark = pytest.mark.usefixtures("environment")


def begun(job: dict[str, Any]) -> dict[str, Any]:
    """The machine's data when the authority has seen the records."""
    data: dict[str, Any] = {"job": job}
    data["plan"] = steps.plan(data, None)
    data["order"] = steps.order(data | {"order": data["plan"]["order"]}, None)
    data["progress"] = steps.answer(data, None)
    return checked_to_the_end(data)


def checked_to_the_end(data: dict[str, Any]) -> dict[str, Any]:
    while data["progress"]["state"] != "ready":
        data["progress"] = steps.check(data, None)
    return data


def renewed(job: dict[str, Any]) -> dict[str, Any]:
    """The machine's data at its end."""
    data = begun(job)
    data["issued"] = steps.issue(data, None)
    steps.clean(data, None)
    return data


def leaf_of(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificates(pem.encode())[0]


def names_of(pem: str) -> list[str]:
    found = leaf_of(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return found.value.get_values_for_type(x509.DNSName)


def ari_id(leaf: x509.Certificate) -> str:
    """What renewal information knows a certificate by (RFC 9773, 4.1)."""
    key = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert key is not None
    serial = leaf.serial_number.to_bytes(leaf.serial_number.bit_length() // 8 + 1)
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (key, serial))


def test_a_certificate_is_issued_imported_and_kept_for_servers(zone: Zone) -> None:
    """All names are on it, its key is where the template says and nowhere else, and the zone is as it was."""
    names = ["www.example.com", "example.com", "*.example.com"]
    done = renewed(asked(common_name="www.example.com", names=names))
    pem = done["issued"]["pem"]
    assert sorted(names_of(pem)) == sorted(names)
    imported = boto3.client("acm").get_certificate(CertificateArn=done["issued"]["acm_arn"])
    assert leaf_of(imported["Certificate"]) == leaf_of(pem)
    kept = json.loads(
        boto3.client("secretsmanager").get_secret_value(SecretId=done["issued"]["secret_arn"])["SecretString"]
    )
    assert load_pem_private_key(kept["private_key"].encode(), None).public_key() == leaf_of(pem).public_key()
    assert kept["certificate"] + kept["chain"] == pem.replace("\n\n", "\n")
    assert "PRIVATE KEY" not in json.dumps(done)
    for name in ("_acme-challenge.www.example.com", "_acme-challenge.example.com"):
        assert zone.texts(name) == []


def test_an_answer_leaves_what_others_put_there(zone: Zone) -> None:
    """Two certificates of one name may be renewed at once: neither takes the other's answer away."""
    name = "_acme-challenge.www.example.com"
    others = {"Name": name, "Type": "TXT", "TTL": 300, "ResourceRecords": [{"Value": '"theirs"'}]}
    change: Any = {"Action": "CREATE", "ResourceRecordSet": others}
    zone.route53.change_resource_record_sets(HostedZoneId=zone.id, ChangeBatch={"Changes": [change]})
    data = begun(asked())
    assert sorted(zone.texts(name)) == sorted(["theirs", data["order"]["challenges"][0][1]])
    steps.clean(data, None)
    assert zone.texts(name) == ["theirs"]


def test_steps_that_are_repeated_change_nothing(zone: Zone) -> None:
    """Step Functions runs a step again when its answer was lost."""
    data = begun(asked())
    before = zone.texts("_acme-challenge.www.example.com")
    assert steps.answer(data, None)["changes"] == []
    assert zone.texts("_acme-challenge.www.example.com") == before
    assert steps.check(data, None)["state"] == "ready"
    for _ in range(2):
        steps.clean(data, None)
    assert zone.texts("_acme-challenge.www.example.com") == []


def test_a_key_that_was_lost_needs_another_order() -> None:
    """An attempt that died behind finalizing took its key along: its certificate is of no use, and is not imported."""
    data = begun(asked())
    steps.issue(data, None)
    with pytest.raises(OrderSpentError):
        steps.issue(data, None)
    again = steps.order(data, None)
    assert again["round"] == 2
    assert again["url"] != data["order"]["url"]
    assert set(map(tuple, data["order"]["challenges"])) <= set(map(tuple, again["challenges"])), "all are cleaned up"
    with pytest.raises(RefusedError, match="3 orders"):
        steps.order(data | {"order": again | {"round": 3}}, None)


def test_a_renewal_says_what_it_replaces(authority: Pebble, tmp_path: Path) -> None:
    """RFC 9773, 5: in the order, if the authority knows the certificate; and it takes no second replacement."""
    first = renewed(asked())["issued"]["pem"]
    job = asked(ari_id=ari_id(leaf_of(first)))
    assert steps.plan({"job": job}, None)["replaces"] == job["ari_id"]
    renewed(job)
    log = next(tmp_path.glob("pebble-*.log"))
    assert "is a replacement of" in log.read_text()
    renewed(job)  # it was replaced already: then without saying so


@pytest.mark.parametrize("ari_id", ["", "AAAA.AAAA", "no id at all"])
def test_a_certificate_of_another_authority_is_renewed_all_the_same(ari_id: str) -> None:
    assert steps.plan({"job": asked(ari_id=ari_id)}, None)["replaces"] == ""


def test_the_window_of_the_authority_is_waited_for(authority: Pebble) -> None:
    """RFC 9773, 4.2: at an instant in the window; if it is over, at once; and nobody who asked by hand waits."""
    pem = renewed(asked())["issued"]["pem"]
    now = datetime.now(UTC).replace(microsecond=0)
    job = asked(ari_id=ari_id(leaf_of(pem)))

    def start(window: tuple[timedelta, timedelta], **of_it: Any) -> datetime:
        authority.suggest(pem, *((now + part).isoformat().replace("+00:00", "Z") for part in window))
        return datetime.fromisoformat(steps.plan({"job": job | of_it}, None)["start_at"])

    ahead = (timedelta(hours=2), timedelta(hours=3))
    assert ahead[0] <= start(ahead) - now <= ahead[1]
    assert start(ahead) == start(ahead), "a step that is repeated chooses the same instant"
    soon = timedelta(minutes=5)
    assert start((timedelta(hours=-3), timedelta(hours=-2))) - now < soon
    assert start(ahead, requested_by="arn:aws:iam::123456789012:user/kim") - now < soon
    assert start((timedelta(hours=8), timedelta(hours=9))) - now < soon, "behind the job's deadline"


def test_the_new_key_is_of_the_kind_of_the_old_one() -> None:
    """Also where that is RSA."""
    key = leaf_of(renewed(asked(key_kind="RSA", key_size=3072))["issued"]["pem"]).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 3072


def test_a_certificate_of_acm_keeps_its_arn() -> None:
    """What uses it goes on with it: load balancers and CloudFront name the ARN."""
    first = renewed(asked())["issued"]["acm_arn"]
    assert renewed(asked(source="acm", source_ref=first, certificate_id="01OTHER"))["issued"]["acm_arn"] == first
    assert renewed(asked())["issued"]["acm_arn"] == first, "one from elsewhere goes where it went before"
    assert len(boto3.client("acm").list_certificates()["CertificateSummaryList"]) == 1


@pytest.mark.parametrize(
    ("end", "why"), [("", "renews it itself \\(AMAZON_ISSUED\\)"), ("x", "ACM has no certificate")]
)
def test_what_acm_would_not_take_is_refused_before_anything_is_ordered(end: str, why: str) -> None:
    """An authority issues the same certificate a few times a week, no more."""
    arn = boto3.client("acm").request_certificate(DomainName="www.example.com")["CertificateArn"]
    with pytest.raises(RefusedError, match=why):
        steps.plan({"job": asked(source="acm", source_ref=arn + end)}, None)


def test_what_acm_does_not_take_after_all_is_said() -> None:
    """It was deleted meanwhile."""
    data = begun(asked())
    gone = f"arn:aws:acm:{REGION}:123456789012:certificate/12345678-1234-1234-1234-123456789012"
    with pytest.raises(RefusedError, match="ACM does not take it"):
        steps.issue(data | {"job": asked(source="acm", source_ref=gone)}, None)


def test_no_key_is_kept_unless_that_is_wanted(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("KEY_SECRETS_PREFIX", "")
    forget()
    assert renewed(asked())["issued"]["secret_arn"] == ""
    assert [one["Name"] for one in boto3.client("secretsmanager").list_secrets()["SecretList"]] == ["renewer/account"]


def test_a_second_key_for_servers_is_a_new_version_of_the_same_secret() -> None:
    assert renewed(asked())["issued"]["secret_arn"] == renewed(asked())["issued"]["secret_arn"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("www.example.org", "none of this renewer's hosted zones (example.com) holds www.example.org"),
        ("notexample.com", "none of this renewer's hosted zones (example.com) holds notexample.com"),
    ],
)
def test_a_name_outside_the_zones_is_refused_before_anything_is_written(zone: Zone, name: str, why: str) -> None:
    with pytest.raises(RefusedError, match=re.escape(why)):
        begun(asked(names=["www.example.com", name]))
    assert zone.texts("_acme-challenge.www.example.com") == []


@pytest.mark.parametrize("name", ["192.0.2.1", "localhost", "2001:db8::1", "Example Root CA", "bücher.example.com"])
def test_what_is_no_dns_name_is_refused(name: str) -> None:
    with pytest.raises(RefusedError, match="is no"):
        steps.plan({"job": asked(common_name=name, names=[name])}, None)


def test_an_authority_that_sees_no_record_refuses(zone: Zone) -> None:
    """Its words come with it: they are what an operator reads in Tocsin."""
    data: dict[str, Any] = {"job": asked()}
    data["plan"] = steps.plan(data, None)
    data["order"] = steps.order(data | {"order": data["plan"]["order"]}, None)
    data["progress"] = {"state": "propagating", "looks": 0, "changes": []}
    with pytest.raises(RefusedError, match=r"www\.example\.com: .*DNS"):
        checked_to_the_end(data)


def test_an_authority_that_is_away_is_tried_again(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DIRECTORY_URL", f"https://127.0.0.1:{free_port()}/dir")
    forget()
    with pytest.raises(AuthorityBusyError, match="can't be reached"):
        steps.plan({"job": asked(ari_id="AAAA.AAAA")}, None)


def test_an_order_that_stays_as_it_is_is_given_up() -> None:
    data = begun(asked())
    with pytest.raises(RefusedError, match="after 120 looks"):
        steps.check(data | {"progress": data["progress"] | {"looks": 120}}, None)


def test_the_account_is_made_once() -> None:
    """Two first orders at the same time end with one account: the second reads what the first one put there."""
    read = boto3.client("secretsmanager").get_secret_value
    for _ in range(2):
        data: dict[str, Any] = {"job": asked()}
        data["plan"] = steps.plan(data, None)
        steps.order(data | {"order": data["plan"]["order"]}, None)
    versions = boto3.client("secretsmanager").list_secret_version_ids(SecretId="renewer/account")["Versions"]
    assert len(versions) == 1
    held = json.loads(read(SecretId="renewer/account")["SecretString"])
    assert held["uri"].startswith("https://")
