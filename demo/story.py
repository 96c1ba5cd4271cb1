"""The story: certificates about to expire, a receiver's outage, what it does to alerts, and how they survive it."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from demo.evidence import PATIENCE, Seen, look_for
from demo.picture import Picture
from demo.receiver import GONE, SLACK, Hook, Received
from demo.world import Row, World

POLL, FRAME = 0.5, 0.1
"""Seconds between two looks at the API, and between two pictures; in between only the countdowns change."""
WAITS = [1.0, 2.0, 4.0, 8.0]
"""Seconds: what are minutes in a real stack."""
TWICE = 2
CHECKS = 31

WEBHOOKS = [
    {"type": "RenewalFailure", "severity": "critical", "subject": "api.example not renewed", "certificate_id": "api"},
    {"type": "ExpirationWarning", "severity": "warning", "subject": "pay.example: 7 days left"},
    {"type": "DeploymentFailure", "severity": "warning", "subject": "edge-3: old certificate"},
]
LATE = {"type": "PolicyViolation", "severity": "critical", "subject": "vpn.example: weak key"}
MAIL = {
    "type": "ExpirationWarning",
    "channel": "Email",
    "recipient": "ops@shop.example",
    "subject": "shop.example: 30 days left",
}
TOPIC = {"type": "RenewalSuccess", "channel": "SNS", "subject": "www.example renewed"}
UNCONFIGURED = {"type": "Custom:disk", "channel": "Slack", "subject": "db-1: disk 90 % full"}
TO_SLACK = {"type": "Custom:backup", "channel": "Slack:ops", "subject": "db-1: backup failed"}
TO_ONCALL = {"type": "Revocation", "channel": "Webhook:oncall", "subject": "shop.example is revoked"}
FALLBACK = "Email ops@shop.example"
OWNER = {"name": "Kim", "email": "kim@shop.example"}
TO_THE_WEBHOOK = {"name": "calls the webhook", "channels": {"warning": ["Webhook"]}}
EXPIRING, RENEWED, TAG = "www.shop.example", "edge.shop.example", "[threshold:7]"


class Story:
    """One telling. Each check says what it saw, and nothing while it does not see it."""

    def __init__(self, world: World, hook: Hook, picture: Picture, secret: str, *, reading: float = 0.0) -> None:
        """`secret` signs webhooks; `reading` is the time in seconds that a reader is given for an act's heading."""
        self._world = world
        self._hook = hook
        self._picture = picture
        self._secret = secret
        self._reading = reading
        self._acts = 0
        self.seen = 0
        """Checks that came true."""

    def tell(self) -> None:
        """Tell it; raise NotSeenError at the first thing that is not observed."""
        for act in (self._expiry, self._alerts, self._broken, self._outage, self._silence):
            act()
        for act in (self._renewal, self._death, self._latecomer, self._recovery):
            act()

    def watch(self, seconds: float = POLL) -> None:
        """Look once, and keep the picture moving until it is time for the next look."""
        self._world.look()
        until = time.monotonic() + seconds
        while True:
            self._picture.draw([*self._world.rows.values()], self._hook.mood)
            if time.monotonic() >= until:
                return
            time.sleep(FRAME)

    def check(self, name: str, evidence: Callable[[], Seen], patience: float = PATIENCE) -> None:
        """Look for evidence for so many seconds; raise NotSeenError if there is none."""
        look_for(self._picture, name, evidence, self.watch, patience)
        self.seen += 1

    def facts(self) -> list[str]:
        """What a telling left behind, counted where it can be counted from outside."""
        rows, received = self._world.rows.values(), self._hook.received
        states = ", ".join(f"{count} x {what}" for what, count in Counter(row.state for row in rows).most_common())
        statuses = ", ".join(f"{count} x {what}" for what, count in Counter(r.status for r in received).most_common())
        ids = {seen.headers.get("webhook-id") for seen in received}
        attempts = sum(len(row.attempts) for row in rows)
        return [
            f"API        {len(rows)} notifications ({states}), {attempts} attempts in their histories",
            f"Receiver   {len(received)} requests ({statuses}), {len(ids)} webhook-ids",
        ]

    # ── The acts ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _expiry(self) -> None:
        self._act(
            "Two certificates that expire within a week",
            "Nobody creates an alert. The scheduled check does: one to the owner, one to a webhook.",
        )
        world = self._world
        world.send_webhooks_to(self._hook.url())
        expiring = world.post("/certificates", _certificate(EXPIRING, 5) | {"owner_id": world.post("/owners", OWNER)})
        self._policy = world.post("/renewal-policies", TO_THE_WEBHOOK)
        self._renewed = world.post("/certificates", _certificate(RENEWED, 6) | {"policy_id": self._policy})

        def raised() -> Seen:
            found = [world.listed(f"/certificates/{id_}/notifications") for id_ in (expiring, self._renewed)]
            if not all(len(alerts) == 1 and TAG in alerts[0].message for alerts in found):
                return False
            self._alert, self._stale = (alerts[0].id for alerts in found)
            channels = " and ".join(alerts[0].channel for alerts in found)
            return {self._alert, self._stale} <= world.rows.keys() and f"{TAG}, {channels}"

        def mailed() -> Seen:
            alert, mails = world.rows[self._alert], world.mails()
            arrived = alert.is_out and alert.id in mails and alert.recipient in mails
            return arrived and f"SES has sent it to {alert.recipient}"

        def explained() -> Seen:
            said = world.call("GET", f"/certificates/{expiring}/explain").json()
            taken = [one["notification_id"] for one in said["told"] if "Email took it" in one["fate"]]
            return taken == [self._alert] and f'"{said["summary"].split(" Next")[0]}"'

        def superseded() -> Seen:
            findings = world.call("GET", f"/certificates/{expiring}/explain").json()["findings"]
            late = {one["threshold"] for one in findings if one["reason"].startswith("superseded by threshold 7")}
            return late == {"30", "14"} and "superseded by 7: they were crossed already when it was first seen"

        self.check("the check raises one alert for each", raised)
        self.check("the owner gets an e-mail", mailed)
        self.check("GET /certificates/{id}/explain says so", explained)
        self.check("and why 30 and 14 days told nobody", superseded)

    def _alerts(self) -> None:
        self._act(
            "A critical alert, and five others",
            "Three to a webhook, one by e-mail, one to SNS, one to Slack, which nobody has configured.",
        )
        self._webhooks = [self._create(alert) for alert in WEBHOOKS]
        self._others = [self._create(alert) for alert in (MAIL, TOPIC, UNCONFIGURED)]
        expected = {*self._webhooks, *self._others, self._alert, self._stale}
        forbidden = HTTPStatus.FORBIDDEN.value
        self.check("a request without a signature is refused", lambda: self._world.unsigned() == forbidden and "403")
        self.check("six alerts are accepted", lambda: self._world.rows.keys() == expected and "6 x 202")

    def _broken(self) -> None:
        self._act(
            "Slack's URL was revoked, and the receiver of those on call is no more",
            "A channel that refuses everything is held: its alerts wait, unharmed. The other names a fallback.",
        )
        world, hook = self._world, self._hook
        world.store("Slack:ops", {"url": hook.url(SLACK)})
        world.store("Webhook:oncall", {"secrets": [self._secret], "url": hook.url(GONE), "fallback": FALLBACK})
        waiting, gone = self._create(TO_SLACK), self._create(TO_ONCALL)

        def channel() -> dict[str, Any]:
            items = world.call("GET", "/channels").json()["items"]
            return next(one for one in items if one["name"] == "Slack:ops")

        def held() -> Seen:
            row, state = world.rows[waiting], channel()
            is_held = state["state"] == "held" and row.deferred is not None and row.deferred.by == "Slack:ops"
            return is_held and not row.attempts and f'"{state["circuits"][0]["reason"]}", no attempt spent'

        def fell_back() -> Seen:
            instead = next((row for row in world.rows.values() if row.fallback_of == gone), None)
            arrived = instead is not None and instead.is_out and instead.id in world.mails()
            return world.rows[gone].status == "dead" and arrived and f"dead at once by 410; {FALLBACK} has it"

        def mended() -> Seen:
            hook.is_revoked = False
            said = world.call("POST", "/channels/Slack:ops/test").json()
            return said["result"] == "delivered" and channel()["state"] == "closed" and "delivered; the channel is well"

        def arrived_late() -> Seen:
            row = world.rows[waiting]
            return row.is_delivered and len(row.attempts) == 1 and "sent, on its first attempt"

        self.check("Slack is held, and its alert waits", held)
        self.check(
            "an alarm says so at once",
            lambda: world.alarm("channel-held") == "ALARM" and "CloudWatch says ALARM",
        )
        self.check("the other one goes by mail instead", fell_back)
        world.call("POST", f"/notifications/{gone}/read")  # the operator has seen it
        self.check("Slack is mended, and tested: POST /channels/Slack:ops/test", mended)
        self.check("what waited has arrived", arrived_late)

    def _outage(self) -> None:
        self._act(
            "The webhook's receiver is down",
            "It answers 503. A failed alert waits 1 minute, then 2, 4 and 8. (Here a minute lasts a second.)",
        )
        down = HTTPStatus.SERVICE_UNAVAILABLE
        self.check(
            "the receiver refuses all three",
            lambda: (
                all([seen.status for seen in self._received(row.id)[:1]] == [down] for row in self._rows())
                and all(row.retry_count for row in self._rows())
                and f'"{self._rows()[0].error}"'
            ),
        )
        self.check(
            "the sweep tries them again",
            lambda: (
                all(row.retry_count >= TWICE and len(self._received(row.id)) >= TWICE for row in self._rows())
                and "the receiver has seen each of them twice"
            ),
        )

    def _silence(self) -> None:
        self._act("Now nothing even listens there", "Connections are refused. What goes another way is not held up.")
        self._hook.close()
        world, (mail, topic, unconfigured) = self._world, self._others

        def skipped() -> Seen:
            found = world.listed(outcome="skipped_no_channel")
            return [row.id for row in found] == [unconfigured] and f'"{found[0].error}"'

        self.check(
            "the rows name the new error",
            lambda: all("connect" in row.error for row in self._rows()) and f'"{self._rows()[0].error}"',
        )
        self.check(
            "the e-mail has arrived",
            lambda: world.rows[mail].is_out and mail in world.mails() and "SES has sent it",
        )
        self.check(
            "the SNS message has arrived",
            lambda: world.rows[topic].is_out and topic in world.messages() and "it is in a queue behind the topic",
        )
        self.check("nothing was sent to Slack, and the row says so", skipped)

    def _renewal(self) -> None:
        self._act(
            f"Meanwhile {RENEWED} is renewed",
            "What the alert about its old certificate says is not true any more: nobody must get it now.",
        )
        path = f"/certificates/{self._renewed}"
        version = self._world.call("GET", path).headers["ETag"]
        fields = _certificate(RENEWED, 90) | {"policy_id": self._policy}
        self._world.call("PUT", path, json_body=fields, headers={"If-Match": version})

        def superseded() -> Seen:
            alert = self._world.rows[self._stale]
            return alert.status == "superseded" and "was renewed" in alert.error and f'"{alert.error}"'

        self.check("it is superseded, and says why", superseded)

    def _death(self) -> None:
        self._act(
            "Dead, but not lost",
            "The fifth failure is the last: the alert is a dead letter, and waits for an operator.",
        )
        end = ("dead", len(WAITS), None)
        self.check(
            "all three die after five attempts",
            lambda: (
                all((row.status, row.retry_count, row.next_retry_at) == end for row in self._rows())
                and all(len(row.life) == row.max_attempts for row in self._rows())
                and "retry_count 4, next_retry_at null"
            ),
        )
        self.check(
            "each wait was twice as long as the one before",
            lambda: (
                all([done.wait for done in row.life] == [*WAITS, None] for row in self._rows()) and "1, 2, 4 and 8 s"
            ),
        )
        self.check("GET /stats/summary counts them", lambda: self._counted(len(self._webhooks)))
        self.check(
            "GET /notifications?status=dead lists them",
            lambda: {row.id for row in self._world.listed(status="dead")} == {*self._webhooks} and "exactly those 3",
        )
        self.check(
            "the dead-letter alarm goes off",
            lambda: self._world.alarm("dead-letters") == "ALARM" and "CloudWatch says ALARM",
        )

    def _latecomer(self) -> None:
        self._act("One more alert, while the receiver is still away", "It backs off like the others.")
        self._late = self._create(LATE)

        def waiting() -> Seen:
            late = self._world.rows[self._late]
            return late.status == "failed" and late.retry_count >= TWICE and f"failed {late.retry_count} times"

        self.check("it fails, and has attempts left", waiting)

    def _recovery(self) -> None:
        self._act(
            "The receiver is back",
            "The operator requeues the dead letters: POST /notifications/{id}/requeue, once for each.",
        )
        self._hook.answer(HTTPStatus.NO_CONTENT)
        answers = [self._world.requeue(id_) for id_ in self._webhooks]
        fresh = ("pending", 0, None)

        def same_ids() -> Seen:  # by what the bodies are about, not by the header that is in question
            received = [seen for id_ in self._webhooks for seen in self._received(id_)]
            same = all(seen.headers.get("webhook-id") == seen.about for seen in received)
            return same and f"{len(received)} requests, {len(self._webhooks)} ids"

        def signed() -> Seen:  # every request that came, refused or not; and the check can fail
            received = list(self._hook.received)
            genuine = all(self._verifies(seen, seen.body) for seen in received)
            forged = any(self._verifies(seen, seen.body + b" ") for seen in received)
            return genuine and not forged and f"{len(received)} of {len(received)}; with one byte more, none"

        def late_arrived() -> Seen:
            late = self._world.rows[self._late]
            return self._arrived(late) and late.retry_count >= TWICE and f"on attempt {len(late.life)}"

        def never_delivered() -> Seen:
            statuses = [seen.status for seen in self._received(self._stale)]
            never = self._world.rows[self._stale].status == "superseded" and HTTPStatus.NO_CONTENT not in statuses
            return never and f"refused {len(statuses)} times during the outage, and not sent again"

        self.check(
            "they have a full budget again, and their history",
            lambda: (
                all((row.status, row.retry_count, row.last_error) == fresh for row in answers)
                and all(len(row.attempts) == row.max_attempts for row in answers)
                and "200, pending, 0 of 5 attempts used"
            ),
        )
        self.check(
            "all three arrive, once each",
            lambda: all(map(self._arrived, self._rows())) and "sent, and accepted by the receiver",
        )
        self.check("each under the webhook-id that it always had", same_ids)
        self.check("standardwebhooks verifies every signature", signed)
        self.check("the late alert arrives without anybody's help", late_arrived)
        self.check("the superseded one does not", never_delivered)
        self.check("no dead letter is left", lambda: self._counted(0))

    # ── What is done and seen ────────────────────────────────────────────────────────────────────────────────────────

    def _act(self, title: str, text: str) -> None:
        self._acts += 1
        self._picture.act(self._acts, title, text)
        self.watch(self._reading)

    def _create(self, alert: Mapping[str, str]) -> str:
        to = {} if "channel" in alert else {"channel": "Webhook", "recipient": self._hook.url()}
        return self._world.post("/notifications", {"message": f"{alert['subject']}.", **alert, **to})

    def _rows(self) -> list[Row]:
        return [self._world.rows[id_] for id_ in self._webhooks]

    def _counted(self, expected: int) -> Seen:
        return self._world.count_dead() == expected and f"notifications_dead {expected}"

    def _received(self, id_: str) -> list[Received]:
        return [seen for seen in self._hook.received if seen.about == id_]

    def _arrived(self, row: Row) -> bool:
        """Tell whether it arrived once, by the receiver's own count."""
        return row.is_delivered and [r.status for r in self._received(row.id)].count(HTTPStatus.NO_CONTENT) == 1

    def _verifies(self, seen: Received, body: bytes) -> bool:
        try:
            Webhook(self._secret).verify(body, dict(seen.headers))
        except WebhookVerificationError:
            return False
        return True


def _certificate(name: str, days: int) -> dict[str, str]:
    """Describe a certificate that expires in so many days, and half an hour: so that whole days are left."""
    return {"common_name": name, "expires_at": (datetime.now(UTC) + timedelta(days=days, minutes=30)).isoformat()}
