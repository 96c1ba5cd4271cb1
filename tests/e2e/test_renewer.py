"""A renewal from end to end: a policy asks, the example renewer gets a certificate of Pebble, a server shows it or not.

Everything is deployed and runs by its own schedules and roles. Only where hours must pass is the expiry check called in
this process, over the same tables, at a later time.
"""

import json
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509

from local import example_renewer
from local.pebble import Pebble
from local.receiver import Receiver
from local.stack import Stack
from renewer.account import AccountSecret
from renewer.authority import Authority, Progress
from renewer.job import Job
from renewer.keys import key_pem, new_key
from renewer.settings import Settings
from renewer.shelf import Issued
from renewer.zones import Zones
from tests.e2e.conftest import in_a_thread
from tests.e2e.test_expiry import api, made
from tests.support import functions
from tests.support.functions import Context, handler
from tests.support.pebble import an_authority
from tests.support.route53_dns import answering, texts
from tests.support.tls import polite, serving
from tests.support.waiting import until
from tocsin.bootstrap import resources

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
NAME = "renewer"
DOMAIN = "renewed.example"
DAYS = 20
"""For which Pebble's certificates are valid: less than RENEW_BEFORE."""
RENEW_BEFORE = 30
PATIENCE = 90  # seconds


@dataclass(frozen=True)
class Renewer:
    """The example as it is deployed, and what is around it."""

    stack: Stack
    authority: Pebble
    settings: Settings
    state_dir: Path
    issued_queue: str
    """Where the event `Certificate Issued` arrives."""

    def client(self, service: str) -> Any:
        return self.stack.client(service)

    def first_certificate(self, name: str) -> Issued:
        """Get one by hand, under the account that the example goes on with."""
        secrets, zones = self.client("secretsmanager"), Zones(self.client("route53"), self.settings.hosted_zone_ids)
        authority = Authority(self.settings)
        secret = AccountSecret(secrets, self.settings.account_secret)
        authority.signed_in(secret.opened(self.settings.directory_url, authority.registered))
        ordered = authority.order((name,), None)
        zones.put(ordered.challenges)
        authority.answer(ordered.url)
        until(lambda: authority.progress(ordered.url), is_right=lambda progress: progress is Progress.READY)
        key = new_key(a_job(name))
        issued = Issued(authority.issue(ordered.url, (name,), key, datetime.now()), key_pem(key))  # noqa: DTZ005 - as the library wants it
        zones.remove(ordered.challenges)
        return issued

    def announced(self, certificate_id: str) -> dict[str, Any]:
        """Wait for the event that says what was issued for a certificate."""

        def look() -> list[dict[str, Any]]:
            answer = self.client("sqs").receive_message(
                QueueUrl=self.issued_queue, MaxNumberOfMessages=10, VisibilityTimeout=0
            )
            came = [json.loads(message["Body"])["detail"] for message in answer.get("Messages", [])]
            return [detail for detail in came if detail["certificate_id"] == certificate_id]

        try:
            (detail,) = until(look, seconds=PATIENCE)
        except AssertionError as late:
            raise AssertionError(self.ends()) from late
        return detail

    def ends(self) -> list[dict[str, Any]]:
        """Give what became of each execution."""
        machines: SFNClient = self.client("stepfunctions")
        return [
            {
                name: machines.describe_execution(executionArn=arn).get(name)
                for name in ("name", "status", "error", "cause")
            }
            for arn in self.executions()
        ]

    def executions(self) -> list[str]:
        """Give the ARN of each."""
        machines: SFNClient = self.client("stepfunctions")
        return [
            execution["executionArn"]
            for machine in machines.list_state_machines()["stateMachines"]
            for execution in machines.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]
        ]

    def kept(self, secret_arn: str) -> Issued:
        """Read what the example keeps for servers."""
        held = json.loads(self.client("secretsmanager").get_secret_value(SecretId=secret_arn)["SecretString"])
        return Issued(held["certificate"] + held["chain"], held["private_key"].encode())

    def said(self) -> str:
        """Give all that the executions' data and the steps' logs say."""
        machines: SFNClient = self.client("stepfunctions")
        histories = [machines.get_execution_history(executionArn=arn)["events"] for arn in self.executions()]
        logs = self.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{NAME}")["events"]
        return json.dumps([histories, logs], default=str)


def a_job(name: str) -> Job:
    now = datetime.now(UTC)
    return Job(
        id="first",
        attempt=1,
        certificate_id="",
        names=(name,),
        key_kind="EC",
        key_size=256,
        source="",
        source_ref="",
        ari_id="",
        deadline=now,
        by_policy=True,
    )


@pytest.fixture(scope="module")
def renewer(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Renewer]:
    """The example, deployed beside the stack by `sam deploy`; Pebble asks the embedded Route 53 for the records."""
    state_dir = tmp_path_factory.mktemp("renewer")
    route53 = stack.client("route53")
    zone = route53.create_hosted_zone(Name=DOMAIN, CallerReference=NAME)["HostedZone"]["Id"].rpartition("/")[2]
    with (
        answering(route53, zone) as dns,
        an_authority(state_dir, dns_server=dns, validity={"default": DAYS * 24 * 3600}) as authority,
        a_queue_of_issued(stack) as queue,
    ):
        told = {
            "EventBusName": stack.outputs["EventBusName"],
            "HostedZoneIds": zone,
            "DirectoryUrl": authority.directory_url,
            "AgreeToTerms": "yes",
            "AuthorityRoot": authority.encoded_root,
            "KeysForServers": "yes",
            "PollSeconds": "1",
        }
        outputs = example_renewer.deploy(stack, NAME, told, log=state_dir / "deploy.log")
        settings = Settings(
            directory_url=authority.directory_url,
            authority_root=authority.encoded_root,
            contact="",
            profile="",
            account_secret=outputs["AccountSecret"],
            hosted_zone_ids=(zone,),
            tocsin_api_url=stack.api_url,
            poll_seconds=1,
            import_into_acm=True,
            imported_prefix="",
            key_secrets_prefix="",
        )
        yield Renewer(stack, authority, settings, state_dir, queue)


@contextmanager
def a_queue_of_issued(stack: Stack) -> Iterator[str]:
    """Listen as whoever deploys to servers would; the queue's URL."""
    sqs, events, bus = stack.client("sqs"), stack.client("events"), stack.outputs["EventBusName"]
    url = sqs.create_queue(QueueName=NAME)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name=NAME, EventBusName=bus, EventPattern=json.dumps({"detail-type": ["Certificate Issued"]}))
    events.put_targets(Rule=NAME, EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
    try:
        yield url
    finally:
        events.remove_targets(Rule=NAME, EventBusName=bus, Ids=["queue"])
        events.delete_rule(Name=NAME, EventBusName=bus)


@dataclass(frozen=True)
class Server:
    """A TLS server that is watched."""

    renewer: Renewer
    context: ssl.SSLContext
    port: int
    first: x509.Certificate

    def reload(self, issued: Issued) -> None:
        """Show another certificate from now on."""
        load(self.context, issued, self.renewer.state_dir)

    def row(self) -> dict[str, Any]:
        """Wait until the inventory has what it shows."""
        ref = f"127.0.0.1:{self.port}"

        def look() -> list[dict[str, Any]]:
            found = api(self.renewer.stack, "GET", "/certificates?source=tls").json()["items"]
            return [one for one in found if one["source_ref"] == ref]

        (row,) = until(look, seconds=PATIENCE)
        return row


def load(context: ssl.SSLContext, issued: Issued, scratch: Path) -> None:
    pem = scratch / "server.pem"
    pem.write_bytes(issued.pem.encode() + issued.key_pem)
    context.load_cert_chain(pem)


@contextmanager
def a_watched_server(renewer: Renewer, name: str) -> Iterator[Server]:
    """Serve a certificate of Pebble that has 20 days left, and have it read by the stack's own schedule."""
    first = renewer.first_certificate(name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load(context, first, renewer.state_dir)
    parameter, ssm = f"/{renewer.stack.name}/sources/tls", renewer.client("ssm")
    with in_a_thread(serving(polite, context)) as port:
        ssm.put_parameter(Name=parameter, Value=f"127.0.0.1:{port}", Type="String", Overwrite=True)
        try:
            yield Server(renewer, context, port, x509.load_pem_x509_certificate(first.leaf.encode()))
        finally:
            ssm.delete_parameter(Name=parameter)


def under_a_policy(server: Server, receiver: Receiver, **of_it: Any) -> str:
    """Put what the server shows under a policy that renews it; the certificate's id."""
    stack, row = server.renewer.stack, server.row()
    policy = made(stack, "/renewal-policies", **telling(stack, receiver), renew_before=RENEW_BEFORE, **of_it)
    kept = (
        *("common_name", "expires_at", "names", "serial", "fingerprint_sha256", "issuer", "not_before"),
        *("key_kind", "key_size", "signature_algorithm"),
    )
    body = {name: row[name] for name in kept} | {"policy_id": policy["id"]}
    answer = api(stack, "PUT", f"/certificates/{row['id']}", body, **{"If-Match": "*"})
    assert answer.status == 200, answer.body
    return str(row["id"])


def telling(stack: Stack, receiver: Receiver) -> dict[str, Any]:
    """Say, in a policy, that all is told to the receiver."""
    ssm, name = stack.client("ssm"), f"/{stack.name}/channels/Webhook"
    config = json.loads(ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])
    config["url"] = receiver.url()
    ssm.put_parameter(Name=f"{name}/{receiver.port}", Value=json.dumps(config), Type="SecureString", Overwrite=True)
    channels = {severity: [f"Webhook:{receiver.port}"] for severity in ("informational", "warning", "critical")}
    return {"name": f"renews, and tells {receiver.port}", "channels": channels}


def job_of(stack: Stack, certificate_id: str) -> dict[str, Any]:
    found = api(stack, "GET", f"/renewal-jobs?certificate_id={certificate_id}").json()["items"]
    return found[0] if found else {"state": "none"}


def in_state(stack: Stack, certificate_id: str, state: str) -> dict[str, Any]:
    return until(
        lambda: job_of(stack, certificate_id), is_right=lambda job: bool(job["state"] == state), seconds=PATIENCE
    )


def told(stack: Stack, certificate_id: str) -> dict[str, str]:
    """Give the state of each notification about what happens to a certificate beside expiry, by its type."""
    rows = api(stack, "GET", f"/certificates/{certificate_id}/notifications").json()["items"]
    rows = [row for row in rows if not row["type"].startswith("Expiration")]
    assert len({row["type"] for row in rows}) == len(rows), f"said twice: {rows}"
    return {row["type"]: row["status"] for row in rows}


def until_told(stack: Stack, certificate_id: str, *types: str) -> None:
    until(
        lambda: told(stack, certificate_id),
        is_right=lambda rows: all(rows.get(type_) == "sent" for type_ in types),
        seconds=PATIENCE,
    )


def leaf_of(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


def test_a_policy_has_a_certificate_renewed_and_the_server_shows_it(renewer: Renewer, receiver: Receiver) -> None:
    """From policy to job, event, renewer, new certificate served, job succeeded, RenewalSuccess; no key on the way."""
    stack, name = renewer.stack, f"www.{DOMAIN}"
    with a_watched_server(renewer, name) as server:
        certificate_id = under_a_policy(server, receiver)
        detail = renewer.announced(certificate_id)
        job = in_state(stack, certificate_id, "started")
        issued = renewer.kept(detail["secret_arn"])
        leaf = leaf_of(issued.leaf)
        assert leaf.not_valid_after_utc > server.first.not_valid_after_utc
        assert job["reported_identity"] == f"{leaf.serial_number:x}@{int(leaf.not_valid_after_utc.timestamp())}"
        imported = renewer.client("acm").get_certificate(CertificateArn=detail["acm_arn"])["Certificate"]
        assert leaf_of(imported) == leaf
        assert texts(renewer.client("route53"), renewer.settings.hosted_zone_ids[0], f"_acme-challenge.{name}") == []

        server.reload(issued)
        in_state(stack, certificate_id, "succeeded")
        until_told(stack, certificate_id, "RenewalSuccess", "DeploymentSuccess")
        assert server.row()["expires_at"] == leaf.not_valid_after_utc.isoformat().replace("+00:00", "Z")
    log = next(renewer.state_dir.glob("pebble-*.log")).read_text()
    assert re.search(r"ARI: order \S+ is a replacement of", log)
    said = renewer.said()
    assert detail["acm_arn"] in said
    account = renewer.client("secretsmanager").get_secret_value(SecretId=renewer.settings.account_secret)
    for secret in (
        "PRIVATE KEY",
        issued.key_pem.decode().splitlines()[1],
        json.loads(account["SecretString"])["key"]["d"],
    ):
        assert secret not in said


def test_a_server_that_is_never_reloaded_is_told_of_and_the_job_is_overdue(
    renewer: Renewer, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DeploymentFailure when the grace is over, and at the deadline RenewalFailure."""
    stack, name = renewer.stack, f"old.{DOMAIN}"
    with a_watched_server(renewer, name) as server:
        certificate_id = under_a_policy(server, receiver, deployment_grace_hours=1, renewal_deadline_hours=2)
        renewer.announced(certificate_id)
        job = in_state(stack, certificate_id, "started")
        check_in(stack, timedelta(minutes=50), monkeypatch)
        assert not {"DeploymentFailure", "RenewalFailure"} & told(stack, certificate_id).keys()
        check_in(stack, timedelta(minutes=70), monkeypatch)
        until_told(stack, certificate_id, "DeploymentFailure")
        assert "RenewalFailure" not in told(stack, certificate_id)
        check_in(stack, datetime.fromisoformat(job["deadline"]) - datetime.now(UTC), monkeypatch)
        until_told(stack, certificate_id, "DeploymentFailure", "RenewalFailure")
        in_state(stack, certificate_id, "overdue")


def check_in(stack: Stack, later: timedelta, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the expiry check as it would run after so long, over the stack's own tables."""
    table, inventory, audit = (stack.outputs[f"{name}Table"] for name in ("Notifications", "Inventory", "Audit"))
    told = functions.environment(stack.name, table, stack.endpoint_url, inventory, audit)
    for variable, value in (told | stack.variables).items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(resources, "now", lambda: datetime.now(UTC) + later)
    functions.forget_wiring()
    try:
        # A check of the stack's own may hold the lease at this moment: then this one does nothing, and says so.
        until(lambda: handler("expiry_check")({}, Context()), is_right=lambda done: not done.get("skipped"), seconds=30)
    finally:
        functions.forget_wiring()


def test_a_name_that_is_not_its_own_is_reported_and_an_event_that_comes_twice_starts_one(renewer: Renewer) -> None:
    """The reason stands at the job, in the step's own words; the second start finds the name taken."""
    stack, machines = renewer.stack, renewer.client("stepfunctions")
    expires_at = (datetime.now(UTC) + timedelta(days=50)).isoformat()
    certificate = made(stack, "/certificates", common_name="www.elsewhere.example", expires_at=expires_at)
    assert api(stack, "POST", f"/certificates/{certificate['id']}/renew").status == 202
    job = in_state(stack, certificate["id"], "failed")
    assert job["last_report"] == (
        f"failed: RefusedError: none of this renewer's hosted zones ({DOMAIN}) holds www.elsewhere.example"
    )
    name = f"{job['id']}-1"
    (execution,) = (arn for arn in renewer.executions() if arn.endswith(f":{name}"))
    assert machines.describe_execution(executionArn=execution)["status"] == "FAILED"
    detail = json.loads(machines.describe_execution(executionArn=execution)["input"])["job"]
    event = {"Source": f"tocsin.{stack.name}", "DetailType": "Renewal Requested", "Detail": json.dumps(detail)}
    before = len(renewer.executions())
    stack.client("events").put_events(Entries=[{**event, "EventBusName": stack.outputs["EventBusName"]}])
    ends = until(
        renewer.ends,
        is_right=lambda ends: all(end["status"] != "RUNNING" for end in ends[before:]) and len(ends) > before,
    )
    assert len([end for end in ends if end["name"] == name]) == 1
