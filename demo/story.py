"""The story: a receiver's outage, what it does to alerts, and how they survive it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from demo.evidence import Cast, Evidence
from demo.teller import Act, Check
from demo.world import World

QUICKLY, SOON, LIFE = 20.0, 30.0, 60.0
"""Seconds: for what happens at once, for what takes a sweep or two, and for what is left of a life."""

WEBHOOKS = [
    {
        "type": "RenewalFailure",
        "channel": "Webhook",
        "severity": "critical",
        "subject": "api.example not renewed",
        "certificate_id": "api.example",
    },
    {
        "type": "ExpirationWarning",
        "channel": "Webhook",
        "severity": "warning",
        "subject": "pay.example: 7 days left",
        "certificate_id": "pay.example",
    },
    {
        "type": "DeploymentFailure",
        "channel": "Webhook",
        "severity": "warning",
        "subject": "edge-3: old certificate",
    },
]
MAIL = {
    "type": "ExpirationWarning",
    "channel": "Email",
    "recipient": "ops@shop.example",
    "subject": "shop.example: 30 days left",
    "certificate_id": "shop.example",
}
TOPIC = {"type": "RenewalSuccess", "channel": "SNS", "subject": "www.example renewed"}
UNCONFIGURED = {"type": "Custom:disk", "channel": "Slack", "subject": "db-1: disk 90 % full"}
LATE = {
    "type": "PolicyViolation",
    "channel": "Webhook",
    "severity": "critical",
    "subject": "vpn.example: weak key",
    "certificate_id": "vpn.example",
}


OWNER = {"name": "Kim", "email": "kim@shop.example"}
TO_THE_WEBHOOK = {"name": "calls the webhook", "channels": {"warning": ["Webhook"]}}
EXPIRING, RENEWED = "www.shop.example", "edge.shop.example"
FEW_DAYS = {EXPIRING: 5, RENEWED: 6}
RENEWED_FOR = 90
"""Days."""


class Story:
    """What is done in it, and what must be seen."""

    def __init__(self, world: World) -> None:
        """Nothing has happened yet."""
        self._world = world
        self._cast = Cast()
        self._seen = Evidence(world, self._cast)

    def acts(self) -> list[Act]:
        """The story, in order."""
        return [
            self._expiry(),
            self._alerts(),
            self._outage(),
            self._silence(),
            self._renewal(),
            self._dead(),
            self._late(),
            self._recovery(),
        ]

    # ── The acts ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _expiry(self) -> Act:
        return Act(
            "Two certificates that expire within a week",
            "Nobody creates an alert. The scheduled check does: one to the owner, one to a webhook.",
            [
                Check("the check raises one alert for each", SOON, self._seen.raised),
                Check("the owner gets an e-mail", SOON, self._seen.owner_told),
                Check("GET /certificates/{id}/explain says so", QUICKLY, self._seen.explained),
                Check("and why 30 and 14 days told nobody", QUICKLY, self._seen.wider_ones_superseded),
            ],
            self._watch_certificates,
        )

    def _alerts(self) -> Act:
        return Act(
            "A critical alert, and five others",
            "Three to a webhook, one by e-mail, one to SNS, one to Slack, which nobody has configured.",
            [
                Check("a request without a signature is refused", QUICKLY, self._seen.unsigned),
                Check("six alerts are accepted", QUICKLY, self._seen.accepted),
            ],
            self._create_all,
        )

    def _outage(self) -> Act:
        return Act(
            "The webhook's receiver is down",
            "It answers 503. A failed alert waits 1 minute, then 2, 4 and 8. (Here a minute lasts a second.)",
            [
                Check("the receiver refuses all three", SOON, self._seen.refused),
                Check("the sweep tries them again", SOON, self._seen.tried_again),
            ],
        )

    def _silence(self) -> Act:
        return Act(
            "Now nothing even listens there",
            "Connections are refused. Whatever goes another way is not held up.",
            [
                Check("the rows name the new error", SOON, self._seen.unreachable),
                Check("the e-mail has arrived", SOON, self._seen.mailed),
                Check("the SNS message has arrived", SOON, self._seen.published),
                Check("nothing was sent to Slack, and the row says so", SOON, self._seen.skipped),
            ],
            self._world.hook.go_away,
        )

    def _renewal(self) -> Act:
        return Act(
            f"Meanwhile {RENEWED} is renewed",
            "What the alert about its old certificate says is not true any more: nobody must get it now.",
            [Check("it is superseded, and says why", SOON, self._seen.superseded)],
            self._renew,
        )

    def _dead(self) -> Act:
        return Act(
            "Dead, but not lost",
            "The fifth failure is the last: the alert is a dead letter, and waits for an operator.",
            [
                Check("all three die after five attempts", LIFE, self._seen.dead),
                Check("each wait was twice as long as the one before", QUICKLY, self._seen.waits),
                Check("GET /stats/summary counts them", QUICKLY, self._seen.counted),
                Check("GET /notifications?status=dead lists them", QUICKLY, self._seen.listed),
                Check("the dead-letter alarm goes off", SOON, self._seen.alarmed),
            ],
        )

    def _late(self) -> Act:
        return Act(
            "One more alert, while the receiver is still away",
            "It backs off like the others.",
            [Check("it fails, and has attempts left", SOON, self._seen.late_waits)],
            self._create_late,
        )

    def _recovery(self) -> Act:
        return Act(
            "The receiver is back",
            "The operator requeues the dead letters: POST /notifications/{id}/requeue, once for each.",
            [
                Check("they have a full budget again, and their history", QUICKLY, self._seen.requeued),
                Check("all three arrive, once each", SOON, self._seen.arrived),
                Check("each under the webhook-id that it always had", QUICKLY, self._seen.same_ids),
                Check("standardwebhooks verifies every signature", QUICKLY, self._seen.signed),
                Check("the late alert arrives without anybody's help", SOON, self._seen.late_arrived),
                Check("the superseded one does not", QUICKLY, self._seen.never_delivered),
                Check("no dead letter is left", QUICKLY, self._seen.none_dead),
            ],
            self._recover,
        )

    # ── What is done ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _watch_certificates(self) -> None:
        self._world.elsewhere.send_webhooks_to(self._world.hook.url())
        self._cast.expiring = self._world.make(
            "/certificates", _certificate(EXPIRING) | {"owner_id": self._world.make("/owners", OWNER)}
        )
        self._cast.policy = self._world.make("/renewal-policies", TO_THE_WEBHOOK)
        self._cast.renewed = self._world.make("/certificates", _certificate(RENEWED) | {"policy_id": self._cast.policy})

    def _renew(self) -> None:
        fields = _certificate(RENEWED, RENEWED_FOR) | {"policy_id": self._cast.policy}
        self._world.renew(self._cast.renewed, fields)

    def _create_all(self) -> None:
        self._cast.webhooks = [self._create(alert) for alert in WEBHOOKS]
        self._cast.mail = self._create(MAIL)
        self._cast.topic = self._create(TOPIC)
        self._cast.unconfigured = self._create(UNCONFIGURED)

    def _create(self, alert: Mapping[str, str]) -> str:
        to = {"recipient": self._world.hook.url()} if alert["channel"] == "Webhook" else {}
        return self._world.create({"message": f"{alert['subject']}.", **alert, **to}).id

    def _create_late(self) -> None:
        self._cast.late = self._create(LATE)

    def _recover(self) -> None:
        self._world.hook.answer(HTTPStatus.NO_CONTENT)
        self._cast.requeued = [self._world.requeue(id_) for id_ in self._cast.webhooks]


def _certificate(name: str, days: int | None = None) -> dict[str, str]:
    """Describe a certificate that expires in so many days, and half an hour: so that whole days are left."""
    left = timedelta(days=FEW_DAYS[name] if days is None else days, minutes=30)
    return {"common_name": name, "expires_at": (datetime.now(UTC) + left).isoformat()}
