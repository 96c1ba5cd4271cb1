"""The small organisation that `make up DEMO=1` puts into the stack: its people, what it watches, what went wrong there.

Harbour books freight. On the day before yesterday somebody revoked the Slack app of its platform team. Last night the
webhook of those on call was down for some hours. The warehouse's server was switched off, and nobody told the jobs.
All times count from the moment at which the stack was filled.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

HOURS, DAYS = timedelta(hours=1), timedelta(days=1)
FOUNDED = 41 * DAYS
"""How long ago its people began to use Tocsin."""
OPERATOR = "arn:aws:iam::000000000000:user/kim"
SLACK_REVOKED = 70 * HOURS
"""How long ago Slack began to refuse the platform team's URL."""
OUTAGE = (16 * HOURS, 12.5 * HOURS)
"""From when to when the webhook of those on call was down."""

PLATFORM, PAYMENTS, ONCALL = "Slack:platform", "Slack:payments", "Webhook:oncall"
PARTNERS, WAREHOUSE, FLEET = "Webhook:partners", "Webhook:warehouse", "Webhook:fleet"


class Answer(StrEnum):
    """How a receiver answers now."""

    WELL = "well"
    DOWN = "down"
    GONE = "gone"
    REVOKED = "revoked"
    NOBODY = "nobody listens"


RECEIVERS: Mapping[str, Answer] = {
    ONCALL: Answer.WELL,  # it was down last night
    PAYMENTS: Answer.WELL,
    PLATFORM: Answer.REVOKED,
    PARTNERS: Answer.DOWN,
    FLEET: Answer.GONE,
    WAREHOUSE: Answer.NOBODY,
}
"""The channels with a name, and how what they reach answers."""

TEAMS = {"Platform": "platform@harbour.example", "Payments": "payments@harbour.example", "IT": "it@harbour.example"}
OWNERS = {
    "Kim Larsen": ("kim@harbour.example", "Platform"),
    "Noor Haddad": ("noor@harbour.example", "Payments"),
    "Jo Fischer": ("jo@harbour.example", "IT"),
}


@dataclass(frozen=True)
class Policy:
    """A renewal policy, as the API takes it."""

    thresholds: tuple[int | str, ...] = ()
    severities: Mapping[str, str] = field(default_factory=dict)
    channels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


PUBLIC, INTERNAL = "public sites", "internal services"
POLICIES = {
    PUBLIC: Policy(
        (30, 14, 7, 3, 1, 0),
        {"1": "critical"},
        {"informational": ("Email",), "warning": ("Email", PLATFORM), "critical": ("Email", ONCALL)},
    ),
    INTERNAL: Policy(channels={"informational": ("Email",), "warning": ("Email",), "critical": ("Email", ONCALL)}),
    "partners": Policy(("33%", "10%", 0), {}, {"informational": (), "warning": ("Email",), "critical": ("Email",)}),
}


class Origin(StrEnum):
    """Where a certificate comes from."""

    WRITTEN = "written by somebody"
    FILE = "a file that is imported"
    ACM = "this account's ACM"
    ENDPOINT = "a TLS endpoint"


@dataclass(frozen=True)
class Site:
    """A certificate: expired already, if what is left is negative."""

    name: str
    left: timedelta
    policy: str = PUBLIC
    owner: str | None = None
    team: str | None = None
    origin: Origin = Origin.WRITTEN
    archived: timedelta | None = None
    """How long ago."""
    revoked: timedelta | None = None
    renewed: timedelta | None = None
    """How long ago it got the expiry that it has."""
    left_before: timedelta | None = None
    """What would be left now if it had not been renewed."""


SITES = (
    Site("booking.harbour.example", 9 * HOURS, owner="Noor Haddad"),
    Site("api.harbour.example", 3.4 * DAYS, owner="Kim Larsen"),
    Site("login.harbour.example", 6.3 * DAYS, INTERNAL, owner="Kim Larsen"),
    Site("www.harbour.example", 13.2 * DAYS, INTERNAL, team="Platform"),
    Site("mail.harbour.example", 29.3 * DAYS, INTERNAL, owner="Jo Fischer"),
    Site("shop.harbour.example", 60.5 * DAYS, team="Payments", renewed=36 * HOURS, left_before=1.2 * DAYS),
    Site("vpn.harbour.example", 300.2 * DAYS, INTERNAL, owner="Jo Fischer"),
    Site("tracking.harbour.example", -2.1 * DAYS, INTERNAL, team="Platform"),
    Site("intranet.harbour.example", -20 * DAYS, INTERNAL, team="IT", archived=22 * DAYS),
    Site("carriers.harbour.example", 44 * DAYS, "partners", owner="Noor Haddad", revoked=5 * DAYS),
    Site("billing.harbour.example", 47.5 * DAYS, "partners", team="Payments", origin=Origin.FILE),
    Site("cdn.harbour.example", 395 * DAYS, origin=Origin.ACM),
    Site("ldap.harbour.example", 11.5 * DAYS, origin=Origin.ENDPOINT),
    Site("mqtt.harbour.example", 24.5 * DAYS, origin=Origin.ENDPOINT),
)


class Fate(StrEnum):
    """What became of an alert."""

    TAKEN = "a service took it"
    CONFIRMED = "a service took it, and said later that it arrived"
    ARRIVED = "it arrived"
    ARRIVED_LATE = "it arrived at the second attempt"
    READ = "it arrived, and somebody marked it read"
    DOWN = "the receiver answered 503 until its attempts were used up"
    REFUSED = "nobody listened, until its attempts were used up"
    HELD = "its channel was held for longer than a day"
    BOUNCED = "the address does not take mail"


@dataclass(frozen=True)
class Past:
    """An alert of the last days."""

    ago: timedelta
    type: str
    channel: str
    severity: str
    subject: str
    fate: Fate
    recipient: str = ""
    message: str = ""


JOBS = "arn:aws:sts::000000000000:assumed-role/nightly-jobs/scheduler"
"""Who asked for the alerts that are not Tocsin's own."""
_OUTAGE_ALERTS = (
    (15.9, "Custom:backup", "critical", "db-1: the backup failed", "pg_dump: connection to 10.2.0.14 was reset."),
    (15.8, "Custom:backup", "critical", "db-2: the backup failed", "pg_dump: connection to 10.2.0.15 was reset."),
    (15.4, "DeploymentFailure", "critical", "edge-3: still serves the old certificate", "Serial 04:a1, not 04:b7."),
    (15.2, "Custom:queue", "warning", "labels: 12,400 messages wait", "The oldest one is 41 minutes old."),
    (15.0, "Custom:disk", "warning", "db-1: disk 91 % full", "/var/lib/postgresql has 18 GB left."),
    (14.8, "Custom:queue", "critical", "labels: 31,900 messages wait", "The oldest one is 66 minutes old."),
    (14.5, "RenewalFailure", "critical", "booking.harbour.example: not renewed", "The DNS challenge timed out."),
    (14.1, "Custom:disk", "critical", "db-1: disk 96 % full", "/var/lib/postgresql has 7 GB left."),
    (13.9, "Custom:job", "warning", "invoices: the nightly run did not start", "Its lock is held by worker-7."),
    (13.5, "PolicyViolation", "warning", "cdn-2: RSA key of 1,024 bits", "Found by the weekly scan."),
    (13.2, "Custom:job", "warning", "customs: the export failed", "HTTP 502 from the customs gateway."),
)
PAST = (
    *(
        Past(hours * HOURS, type_, ONCALL, severity, subject, Fate.DOWN, message=message)
        for hours, type_, severity, subject, message in _OUTAGE_ALERTS
    ),
    Past(66 * HOURS, "Custom:deploy", PLATFORM, "informational", "api: 4.18.0 is live", Fate.HELD),
    Past(61 * HOURS, "Custom:deploy", PLATFORM, "informational", "booking: 2.3.1 is live", Fate.HELD),
    Past(52 * HOURS, "DeploymentFailure", PLATFORM, "warning", "edge-1: the deployment was rolled back", Fate.HELD),
    Past(43 * HOURS, "Custom:quota", PLATFORM, "warning", "eu-central-1: 85 % of the address quota", Fate.HELD),
    Past(
        58 * HOURS,
        "Custom:invoice",
        "Email",
        "warning",
        "Invoice 1187 is overdue",
        Fate.BOUNCED,
        "m.bauer@harbour.example",
    ),
    Past(
        34 * HOURS,
        "Custom:invoice",
        "Email",
        "warning",
        "Invoice 1203 is overdue",
        Fate.BOUNCED,
        "m.bauer@harbour.example",
    ),
    Past(
        10 * HOURS,
        "Custom:invoice",
        "Email",
        "warning",
        "Invoice 1211 is overdue",
        Fate.BOUNCED,
        "m.bauer@harbour.example",
    ),
    Past(31 * HOURS, "Custom:stock", WAREHOUSE, "warning", "Pallet scanner 4 is offline", Fate.REFUSED),
    Past(7 * HOURS, "Custom:stock", WAREHOUSE, "warning", "Pallet scanner 2 is offline", Fate.REFUSED),
    Past(90 * HOURS, "Custom:deploy", PLATFORM, "informational", "api: 4.17.2 is live", Fate.ARRIVED),
    Past(80 * HOURS, "Custom:deploy", PLATFORM, "informational", "booking: 2.3.0 is live", Fate.ARRIVED),
    Past(76 * HOURS, "Custom:backup", ONCALL, "critical", "db-2: the backup is 26 hours old", Fate.READ),
    Past(55 * HOURS, "Custom:disk", ONCALL, "warning", "db-1: disk 80 % full", Fate.ARRIVED_LATE),
    Past(47 * HOURS, "Custom:payment", PAYMENTS, "critical", "Card payments: 4 % declined", Fate.READ),
    Past(30 * HOURS, "Custom:payment", PAYMENTS, "informational", "Card payments: back to normal", Fate.ARRIVED),
    Past(
        22 * HOURS,
        "RenewalSuccess",
        "Email",
        "informational",
        "shop.harbour.example renewed",
        Fate.CONFIRMED,
        "payments@harbour.example",
    ),
    Past(11 * HOURS, "Custom:disk", ONCALL, "warning", "db-1: disk 84 % full", Fate.ARRIVED),
    Past(8 * HOURS, "Custom:report", "Email", "informational", "Weekly report", Fate.TAKEN, "it@harbour.example"),
    Past(5 * HOURS, "Custom:payment", PAYMENTS, "warning", "Refunds are slow", Fate.ARRIVED_LATE),
    Past(2 * HOURS, "Custom:backup", ONCALL, "informational", "db-1: the backup is done", Fate.ARRIVED),
)  # fmt: skip - a line each


@dataclass(frozen=True)
class Now:
    """An alert that is created by the API now; the functions do the rest."""

    type: str
    channel: str
    severity: str
    subject: str
    message: str
    recipient: str = ""


NOW = (
    Now("Custom:manifest", PARTNERS, "warning", "Manifest 88-1203 was not confirmed", "Sent 40 minutes ago."),
    Now("Custom:manifest", PARTNERS, "critical", "Manifest 88-1199 was refused", "The ship sails at 18:00."),
    Now("Custom:stock", WAREHOUSE, "warning", "Pallet scanner 5 is offline", "Last seen at gate 2."),
    Now("Custom:deploy", PLATFORM, "informational", "api: 4.18.1 is live", "By Kim, in 6 minutes."),
    Now("DeploymentFailure", PLATFORM, "critical", "edge-2: the deployment hangs", "It waits for a health check."),
    Now("Custom:fleet", FLEET, "warning", "Truck 17 left its route", "Near Aarhus, at km 214."),
    Now("Custom:payment", PAYMENTS, "informational", "Settlement file sent", "4,211 payments."),
    Now("Custom:backup", ONCALL, "informational", "db-2: the backup is done", "In 14 minutes."),
    Now(
        "Custom:report", "Email", "informational", "Certificates of this week", "See the console.", "it@harbour.example"
    ),
    Now("RenewalSuccess", "SNS", "informational", "cdn.harbour.example renewed", "By ACM."),
    Now("Custom:chat", "Teams", "informational", "Lunch is at noon", "Nobody has configured Teams."),
)
