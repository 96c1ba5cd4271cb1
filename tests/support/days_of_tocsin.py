"""Tocsin as it is wired, hour by hour over a made-up world: the functions' own code, by a clock that the test holds."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache, partial
from itertools import count
from random import Random
from types import SimpleNamespace, TracebackType
from typing import Any, Self
from uuid import uuid4

import boto3
import pytest
from ulid import ULID

from build.template import template
from tests.support.certificates import Authority
from tests.support.engine import Clock
from tests.support.functions import Answer, Context, call, environment, forget_wiring
from tests.support.interruptions import KilledError
from tests.support.inventory import T0
from tests.support.inventory_api import API, CERTIFICATES, IMPORT, POLICIES, an_id_in, delete, put, read, text_of
from tests.support.inventory_store import TABLES
from tests.support.ninety_days import (
    MAXIMUM_LIFETIME,
    RENEWAL_DEADLINE_HOURS,
    RULES,
    Held,
    Hour,
    Row,
    Shown,
    Told,
)
from tests.support.rows import ACCEPTED, settled
from tocsin.bootstrap import delivery, expiry, inventory, resources, sources
from tocsin.delivery.notification import Notification
from tocsin.delivery.send import NoLongerTrue, Retold
from tocsin.delivery.store import Change
from tocsin.expiry.alert import ALERT_TYPE, CYCLE_LENGTH, cycle_of
from tocsin.inventory.certificate import Source, source_id
from tocsin.sources import acm
from tocsin.sources.account import AccountRead
from tocsin.sources.endpoint import Endpoint
from tocsin.sources.intake import ingest
from tocsin.sources.observed import ObservedCertificate
from tocsin.sources.succession import continuity_ref
from tocsin.sources.sync import Account
from tocsin.storage.notifications.item import decode

CA = Authority()
_DEFINITION = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
_BODY = (
    *("common_name", "expires_at", "names", "serial", "fingerprint_sha256", "issuer", "not_before", "owner_id"),
    *("team_id", "policy_id", "renewal_status", "archived_at", "revoked_at"),
)
"""What a PUT of a certificate says."""
_OF_ACCOUNT = (Source.IAM, Source.ACM_PCA, Source.SECRETS_MANAGER, Source.DOMAIN)
_SYNCED = (Source.TLS, Source.ACM, *_OF_ACCOUNT)


class InTurn:
    """Stands in for a pool of threads, so that the same seed makes the same requests in the same order."""

    def __init__(self, _threads: int) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, why: BaseException | None, at: TracebackType | None) -> None:
        pass

    map = staticmethod(map)


class FakeAcm:
    """ACM's client, as far as its reader asks it."""

    def __init__(self, held: Mapping[str, Held]) -> None:
        self._held = held
        self.meta = _acm_meta()

    def get_paginator(self, operation: str) -> Any:
        """Give the one page of a list or of a search."""
        if operation == "list_certificates":
            page: Any = {"CertificateSummaryList": [{"CertificateArn": arn} for arn in self._held]}
        else:
            page = {"Results": [self._found(one) for one in self._held.values()]}
        return SimpleNamespace(paginate=lambda **_: [page])

    def describe_certificate(self, *, CertificateArn: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        one = self._held[CertificateArn]
        status, _, reason = one.shown.status.partition(": ")
        renewal = {"RenewalStatus": status} | ({"RenewalStatusReason": reason} if reason else {})
        detail = {
            "DomainName": one.name,
            "SubjectAlternativeNames": [one.name],
            "Serial": f"{one.shown.serial:x}",
            "Issuer": "Amazon",
            "NotBefore": one.shown.not_before,
            "NotAfter": one.shown.expires_at,
            "KeyAlgorithm": "EC_prime256v1",
            "InUseBy": [_LOAD_BALANCER] if one.is_in_use else [],
            **_origin(one),
            **({"RenewalSummary": renewal} if status else {}),
            **({"RevokedAt": one.shown.revoked_at} if one.shown.revoked_at else {}),
        }
        return {"Certificate": detail}

    @staticmethod
    def _found(one: Held) -> dict[str, Any]:
        renewal = one.shown.status.partition(":")[0]
        metadata = {
            "InUse": one.is_in_use,
            "Status": "REVOKED" if one.shown.revoked_at else "ISSUED",
            **_origin(one),
            **({"RenewalStatus": renewal} if renewal else {}),
        }
        attributes = {
            "SubjectAlternativeNames": [{"DnsName": one.name}],
            "KeyAlgorithm": "EC_prime256v1",
            "SerialNumber": f"{one.shown.serial:x}",
            "NotAfter": one.shown.expires_at,
        }
        return {
            "CertificateArn": one.arn,
            "X509Attributes": attributes,
            "CertificateMetadata": {"AcmCertificateMetadata": metadata},
        }


_LOAD_BALANCER = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/web/1"


def _origin(one: Held) -> dict[str, str]:
    return {"CertificateKeyPairOrigin": "ACME" if one.is_acme else "AWS_MANAGED"}


@cache
def _acm_meta() -> Any:
    return boto3.Session(region_name="us-east-1").client("acm", aws_access_key_id="x", aws_secret_access_key="y").meta


@dataclass
class Trouble:
    """What goes wrong: runs that die before or after a request, and second runs that begin in the midst of one."""

    dice: Random
    kills: float = 0.0
    """Of how many runs."""
    doubles: float = 0.0
    run: Callable[[], object] = lambda: None
    """Begins a second run."""
    at: int = -1
    """The request (counted from 0) at which something happens; -1: at none."""
    kind: str = ""
    seen: int = 0

    def plan(self, requests: int, run: Callable[[], object]) -> None:
        """Say what happens to the next run, of about so many requests."""
        chance = self.dice.random()
        self.kind, self.seen, self.at, self.run = "", 0, self.dice.randrange(max(1, requests)), run
        if chance < self.kills:
            self.kind = self.dice.choice(("before", "after"))
        elif chance < self.kills + self.doubles:
            self.kind = "double"

    def before(self, _operation: str) -> None:
        if self.kind == "dead" or (self.kind == "before" and self.seen == self.at):
            self.kind = "dead"
            raise KilledError
        if self.kind == "double" and self.seen == self.at:
            self.kind = ""
            with ThreadPoolExecutor(1) as another:  # of its own: an event loop has one run at a time
                another.submit(self.run).result()
        self.seen += 1

    def after(self, _operation: str) -> None:
        if self.kind == "after" and self.seen > self.at:
            self.kind = "dead"
            raise KilledError


@dataclass
class Days:
    """The stack, its world, and what was told."""

    rows: list[Row]
    clock: Clock
    trouble: Trouble
    policies: dict[str, str] = field(default_factory=dict)
    """Ids by the names of RULES."""
    ids: dict[str, str] = field(default_factory=dict)
    """Ids of rows that the API made."""
    names: dict[str, str] = field(default_factory=dict)
    """The rows' refs by their ids."""
    cycles: dict[tuple[str, str], Any] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    now: Hour = field(default_factory=lambda: Hour(0))
    requests: dict[str, int] = field(default_factory=dict)
    killed: int = 0
    sights: dict[tuple[str, Shown], ObservedCertificate] = field(default_factory=dict)
    reported: dict[str, Shown] = field(default_factory=dict)
    away: dict[str, datetime | None] = field(default_factory=dict)
    synced: list[Shown | None] = field(default_factory=list)
    client: Any = None
    tables: Mapping[str, str] = field(default_factory=dict)

    def begin(self) -> None:
        """Store the policies, and a rule of all certificates."""
        for name, rule in RULES.items():
            if name:
                self.policies[name] = an_id_in(
                    POLICIES,
                    name=name,
                    alert_thresholds_days=[int(one) if one.isdigit() else one for one in rule.thresholds],
                    channels={severity: [*named] for severity, named in rule.channels.items()},
                    events=dict.fromkeys(rule.silent),
                    renew_before=rule.renew_before or None,
                    renewal_deadline_hours=RENEWAL_DEADLINE_HOURS,
                )
        lifetime = {"days": MAXIMUM_LIFETIME}
        _accepted(call("POST", f"{API}/policies", {"name": "short", "type": "MaximumLifetime", "config": lifetime}))
        for row in self.rows:
            for shown in filter(None, row.changes.values()):
                self.cycles[row.ref, cycle_of(shown.expires_at)] = shown.expires_at

    def live(self, hours: Sequence[Hour]) -> list[Told]:
        """Let the hours pass."""
        for hour in hours:
            self.now = hour
            self.clock.now = hour.at
            self._act(hour.number)
            if hour.ran:
                self._report(hour.number)
                self._sync()
                self._choose(hour.number)
                for minute in (10, 16):  # twice: a schedule may fire again
                    self._tick("check", lambda: expiry.run_expiry_check(self._context()), minute)
            if hour.posted:
                self.clock.now = hour.at + timedelta(minutes=25)
                self._post()
        return self.told

    def _sync(self) -> None:
        """Sync, if something changed, and twice a day: the others would find nothing, and cost the most."""
        shown = [row.at(self.now.number) for row in self.rows if row.source in _SYNCED]
        if shown != self.synced or self.now.number % 12 == 0:
            self._tick("sync", lambda: sources.run_source_sync(self._context()), 2)
        self.synced = shown

    def _context(self) -> Any:
        return Context(aws_request_id=uuid4().hex)

    def _tick(self, name: str, run: Callable[[], object], minute: int) -> None:
        """Run a schedule; one that dies is run again once its lease has run out."""
        self.clock.now = max(self.clock.now, self.now.at + timedelta(minutes=minute))

        def again() -> None:
            self.clock.forward(minutes=2)
            run()

        self.trouble.plan(self.requests.get(name, 20), again)
        try:
            run()
        except KilledError:
            self.killed += 1
            self.trouble.kind = ""
            again()
        self.trouble.kind = ""
        self.requests[name] = self.trouble.seen

    def _once(self, act: Callable[[], object]) -> None:
        """Do what an operator does; whose request dies asks again."""
        self.trouble.plan(8, lambda: None)
        try:
            act()
        except KilledError:
            self.killed += 1
            self.trouble.kind = ""
            act()
        self.trouble.kind = ""

    def _act(self, hour: int) -> None:
        """Do what operators do in this hour: they keep some rows themselves, and put others away or take them back."""
        for row in self.rows:
            if row.source is Source.API and hour in row.changes:
                self._keep(row, row.changes[hour])
            elif row.source is not Source.API and (id_ := self._id(row)) in self.names:
                shown = row.at(hour)
                away = shown.archived_at if shown else None
                if away != self.away.get(row.ref):
                    self.away[row.ref] = away
                    self._change(id_, archived_at=away and text_of(away))

    def _keep(self, row: Row, shown: Shown | None) -> None:
        if row.ref not in self.ids:
            assert shown is not None
            self.ids[row.ref] = an_id_in(CERTIFICATES, **self._body(row, shown))
            self.names[self.ids[row.ref]] = row.ref
            return
        url = f"{CERTIFICATES}/{self.ids[row.ref]}"
        if shown is None:
            self._once(lambda: delete(url))
        else:
            body = self._body(row, shown)
            self._once(lambda: _accepted(put(url, body)))

    def _change(self, id_: str, **said: Any) -> None:
        """Change what is an operator's to say of a row that a source keeps."""
        url = f"{CERTIFICATES}/{id_}"
        kept = read(url)
        body = {name: kept[name] for name in _BODY} | said
        self._once(lambda: _accepted(put(url, body)))

    def _body(self, row: Row, shown: Shown) -> dict[str, Any]:
        at = {"expires_at": shown.expires_at, "not_before": shown.not_before, "archived_at": shown.archived_at}
        return {
            "common_name": f"{row.ref}.example.com",
            "serial": f"{shown.serial:x}",
            "policy_id": self.policies.get(row.rule),
            **{name: text_of(one) for name, one in at.items() if one is not None},
        }

    def _choose(self, hour: int) -> None:
        """Give new rows their policies."""
        for row in self.rows:
            id_ = self._id(row)
            if id_ not in self.names and row.at(hour) is not None:
                self.names[id_] = row.ref
                if row.rule and row.source is not Source.IMPORT:
                    self._change(id_, policy_id=self.policies[row.rule])

    def _id(self, row: Row) -> str:
        if row.source is Source.API:
            return self.ids.get(row.ref, "")
        if row.ref not in self.ids:
            ref = continuity_ref([row.name], "EC", "us-east-1:123456789012") if row.is_acme else row.ref
            self.ids[row.ref] = source_id(row.source, ref)  # an import says its own
        return self.ids[row.ref]

    def _report(self, hour: int) -> None:
        """Hand in files, and what other sources have: when it changed, and daily."""
        for row in self.rows:
            shown = row.at(hour)
            if shown is None or row.source not in (Source.IMPORT, Source.AGENT):
                continue
            if shown == self.reported.get(row.ref) and hour % 24:
                continue
            self.reported[row.ref] = shown
            if row.source is Source.IMPORT:
                self._once(partial(self._import, row, shown))
            else:
                seen = self._sight(row, shown)
                self._once(partial(ingest, inventory.lifecycle(), seen, "a test", self.clock.now))

    def _import(self, row: Row, shown: Shown) -> None:
        pem = a_pem(row.ref, shown.serial, shown.not_before, shown.expires_at)
        answer = call("POST", IMPORT, {"pem": pem, "policy_id": self.policies.get(row.rule)})
        _accepted(answer)
        self.ids[row.ref] = answer.json["items"][0]["certificate"]["id"]

    def _sight(self, row: Row, shown: Shown) -> ObservedCertificate:
        """Give what a source sees of a row; the operator's part is none of it."""
        key = (row.ref, replace(shown, archived_at=None))
        if key not in self.sights:
            self.sights[key] = ObservedCertificate(
                source=row.source,
                source_ref=row.ref,
                common_name=row.name,
                names=(row.name,),
                serial=f"{shown.serial:x}",
                not_before=shown.not_before,
                expires_at=shown.expires_at,
                renewal_status=shown.status,
                revoked_at=shown.revoked_at,
            )
        return self.sights[key]

    def _seen_of(self, source: Source) -> list[ObservedCertificate]:
        found = ((row, row.at(self.now.number)) for row in self.rows if row.source is source)
        return [self._sight(row, shown) for row, shown in found if shown is not None]

    def endpoints(self) -> str:
        """Give the list of endpoints."""
        return " ".join(seen.source_ref for seen in self._seen_of(Source.TLS))

    async def observe(self, _dialer: object, endpoints: Iterable[Endpoint], *_: object) -> dict[Endpoint, Any]:
        """Look at all endpoints."""
        seen = {one.source_ref: one for one in self._seen_of(Source.TLS)}
        return {endpoint: seen[str(endpoint)] for endpoint in endpoints}

    def accounts(self, _reads: object) -> Iterator[Account]:
        """Give what is read of the account: ACM by the real reader, the others as their readers give it."""
        for source in _OF_ACCOUNT:
            name = f"{source}:us-east-1"
            yield Account(name, lambda _visit, source=source: AccountRead(f"{source}", self._seen_of(source)))  # type: ignore[misc]  # bound at once
        held = {one.arn: one for row in self.rows for one in row.held(self.now.number)}
        client: Any = FakeAcm(held)
        yield Account("acm:us-east-1", partial(acm.read_account, client))

    def _post(self) -> None:
        """Send what is owed, as the sweep does: each alert is asked for once more whether it is true."""
        states = ({"S": "pending"}, {"S": "failed"})
        rows = [decode(item) for item in self._items("Notifications") if item.get("status") in states]
        verdicts = delivery.review(rows)
        for row in rows:
            verdict = verdicts.get(row.id)
            if isinstance(verdict, NoLongerTrue):
                after = row.superseded(verdict.reason, self.clock.now)
            else:
                after = settled(row, ACCEPTED, self.clock.now)
                self._note(verdict.row if isinstance(verdict, Retold) else row)
            resources.table().replace(Change(row, after))

    def items(self) -> list[dict[str, Any]]:
        """Give all items of the inventory, and all notifications, in order."""
        return [item for name in ("Inventory", "Notifications") for item in sorted(self._items(name), key=repr)]

    def _items(self, name: str) -> list[dict[str, Any]]:
        pages = self.client.get_paginator("scan").paginate(TableName=self.tables[name], ConsistentRead=True)
        return [{key: item[key] for key in sorted(item)} for page in pages for item in page["Items"]]

    def _note(self, sent: Notification) -> None:
        ref = self.names.get(sent.certificate_id or "", f"unknown: {sent.certificate_id}")
        about = sent.type
        if about == ALERT_TYPE:
            about = sent.message.partition("[threshold:")[2].partition("]")[0]
        cycle = self.cycles[ref, sent.id[:CYCLE_LENGTH]]
        self.told.append(Told(self.now.number, ref, about, cycle, str(sent.channel)))


def _an_id(numbers: Iterator[int], at: datetime) -> ULID:
    return ULID.from_bytes(int(at.timestamp() * 1000).to_bytes(6, "big") + next(numbers).to_bytes(10, "big"))


@cache
def a_pem(name: str, serial: int, not_before: datetime, not_after: datetime) -> str:
    """Give a certificate, the very same one each time."""
    made = CA.issued(common_name=name, names=(name,), serial=serial, not_before=not_before, not_after=not_after)
    return made.pem


def _accepted(answer: Answer) -> None:
    assert answer.status in (200, 201), answer.body


@contextmanager
def days(rows: list[Row], client: Any, trouble: Trouble) -> Iterator[Days]:
    """Wire the functions of this process to fresh tables of `client`, and to the sources of a made-up world."""
    names = {table: f"{table.lower()}-{uuid4().hex}" for table in TABLES}
    for table, name in names.items():
        properties = template()["Resources"][table]["Properties"]
        client.create_table(TableName=name, **{part: properties[part] for part in _DEFINITION})
    clock = Clock(T0)
    made = Days(rows, clock, trouble, client=client, tables=names)
    stack = f"stack-{uuid4().hex[:8]}"
    said = environment(stack, names["Notifications"], "http://127.0.0.1:1", names["Inventory"], names["Audit"])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (said | {"FALLBACK_EMAIL": "ops@example.com"}).items():
            patch.setenv(name, value)
        forget_wiring()
        patch.setattr(resources, "dynamodb", lambda: client)
        patch.setattr(resources, "now", clock)
        patch.setattr(expiry, "ThreadPoolExecutor", InTurn)
        patch.setattr(ULID, "from_datetime", partial(_an_id, count(1)))  # the same ids for the same seed
        patch.setattr(sources, "_listed_endpoints", made.endpoints)
        patch.setattr(sources, "Dialer", lambda *_: None)  # it would read the trusted authorities each hour
        patch.setattr(sources, "observe_all", made.observe)
        patch.setattr(sources, "_accounts", made.accounts)
        made.begin()
        yield made
    forget_wiring()
