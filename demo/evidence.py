"""What must be seen of the story, and where. Each method says what it saw; nothing, while it does not see it."""

from dataclasses import dataclass, field
from http import HTTPStatus

from standardwebhooks import Webhook, WebhookVerificationError

from demo.hook import Received
from demo.row import Row
from demo.world import World

WAITS = [1.0, 2.0, 4.0, 8.0]
"""Seconds: what are minutes in a real stack."""
TWICE = 2
TAG = "[threshold:7]"


@dataclass
class Cast:
    """The ids of the story's notifications, as it comes to know them."""

    webhooks: list[str] = field(default_factory=list)
    mail: str = ""
    topic: str = ""
    unconfigured: str = ""
    expiring: str = ""
    """A certificate, whose owner is told by e-mail."""
    expiring_alert: str = ""
    renewed: str = ""
    """Another one, about which a webhook is called, and which is renewed meanwhile."""
    policy: str = ""
    """The renewed one's."""
    renewed_alert: str = ""
    late: str = ""
    requeued: list[Row] = field(default_factory=list)
    """What the requeues were answered with."""


class Evidence:
    """Looks for the story's facts."""

    def __init__(self, world: World, cast: Cast) -> None:
        """Both are read at each question."""
        self._world = world
        self._cast = cast

    def unsigned(self) -> str:
        """The API wants a signature."""
        return "403" if self._world.elsewhere.unsigned() == HTTPStatus.FORBIDDEN else ""

    def raised(self) -> str:
        """One alert for each certificate, about the most urgent threshold."""
        found = [self._world.alerts_about(id_) for id_ in (self._cast.expiring, self._cast.renewed)]
        if not all(len(alerts) == 1 and TAG in alerts[0].message for alerts in found):
            return ""
        self._cast.expiring_alert, self._cast.renewed_alert = (alerts[0].id for alerts in found)
        if not {self._cast.expiring_alert, self._cast.renewed_alert} <= self._world.rows.keys():
            return ""
        return f"{TAG}, {' and '.join(alerts[0].channel for alerts in found)}"

    def owner_told(self) -> str:
        """SES has sent the owner a mail about it."""
        alert = self._world.rows[self._cast.expiring_alert]
        mails = self._world.elsewhere.mails()
        arrived = self._is_delivered(alert.id) and alert.id in mails and alert.recipient in mails
        return f"SES has sent it to {alert.recipient}" if arrived else ""

    def explained(self) -> str:
        """The API says of the certificate that its alert arrived."""
        explanation = self._world.explain(self._cast.expiring)
        arrived = [told.notification_id for told in explanation.told if told.arrived] == [self._cast.expiring_alert]
        return f'"{explanation.summary.split(" Next")[0]}"' if arrived else ""

    def wider_ones_superseded(self) -> str:
        """It says of the wider thresholds why they told nobody."""
        findings = self._world.explain(self._cast.expiring).findings
        late = {one.threshold for one in findings if one.reason.startswith("superseded by threshold 7")}
        return "superseded by 7: they were crossed already when it was first seen" if late == {"30", "14"} else ""

    def accepted(self) -> str:
        """All that was created is in the list, and nothing else but the alerts about certificates."""
        ids = {*self._cast.webhooks, self._cast.mail, self._cast.topic, self._cast.unconfigured}
        raised = {self._cast.expiring_alert, self._cast.renewed_alert}
        return f"{len(ids)} x 202" if self._world.rows.keys() == ids | raised else ""

    def mailed(self) -> str:
        """SES has sent the mail."""
        arrived = self._is_delivered(self._cast.mail) and self._cast.mail in self._world.elsewhere.mails()
        return "SES has sent it" if arrived else ""

    def published(self) -> str:
        """A subscriber of the topic has the message."""
        arrived = self._is_delivered(self._cast.topic) and self._cast.topic in self._world.elsewhere.messages()
        return "it is in a queue behind the topic" if arrived else ""

    def skipped(self) -> str:
        """The list of what was skipped has exactly the one for Slack."""
        found = self._world.listed(outcome="skipped_no_channel")
        return f'"{found[0].error}"' if [row.id for row in found] == [self._cast.unconfigured] else ""

    def refused(self) -> str:
        """The receiver has refused each one, and each is counted as failed."""
        first = [self._received(id_)[:1] for id_ in self._cast.webhooks]
        refused = all(seen and seen[0].status == HTTPStatus.SERVICE_UNAVAILABLE for seen in first)
        return f'"{self._rows()[0].error}"' if refused and all(row.retry_count for row in self._rows()) else ""

    def tried_again(self) -> str:
        """The receiver has seen each one again."""
        twice = all(len(self._received(id_)) >= TWICE for id_ in self._cast.webhooks)
        counted = all(row.retry_count >= TWICE for row in self._rows())
        return "the receiver has seen each of them twice" if twice and counted else ""

    def unreachable(self) -> str:
        """The rows tell of refused connections."""
        errors = {row.error for row in self._rows()}
        return f'"{min(errors)}"' if all("connect" in error for error in errors) else ""

    def superseded(self) -> str:
        """The alert about the certificate that was renewed is owed to nobody any more."""
        alert = self._world.rows[self._cast.renewed_alert]
        ended = alert.status == "superseded" and "was renewed" in alert.error
        return f'"{alert.error}"' if ended else ""

    def dead(self) -> str:
        """Five attempts, and no next one."""
        dead = all(row.status == "dead" and len(row.life) == row.max_attempts for row in self._rows())
        counted = all((row.retry_count, row.next_retry_at) == (len(WAITS), None) for row in self._rows())
        return "retry_count 4, next_retry_at null" if dead and counted else ""

    def waits(self) -> str:
        """The history's times are the contract's."""
        waits = [[done.wait for done in row.life] for row in self._rows()]
        return "1, 2, 4 and 8 s" if all(found == [*WAITS, None] for found in waits) else ""

    def counted(self) -> str:
        """The summary has the depth."""
        count = self._world.count_dead()
        return f"notifications_dead {count}" if count == len(self._cast.webhooks) else ""

    def listed(self) -> str:
        """The dead-letter list has these, and nothing else."""
        found = {row.id for row in self._world.listed(status="dead")}
        return f"exactly those {len(found)}" if found == set(self._cast.webhooks) else ""

    def alarmed(self) -> str:
        """CloudWatch has seen the metric."""
        state = self._world.elsewhere.alarm("dead-letters")
        return f"CloudWatch says {state}" if state == "ALARM" else ""

    def late_waits(self) -> str:
        """The late one has failed, and has attempts left."""
        late = self._world.rows[self._cast.late]
        return f"failed {late.retry_count} times" if late.status == "failed" and late.retry_count >= TWICE else ""

    def requeued(self) -> str:
        """The answers to the requeues."""
        rows = self._cast.requeued
        fresh = all((row.status, row.retry_count, row.last_error) == ("pending", 0, None) for row in rows)
        kept = all(len(row.attempts) == row.max_attempts for row in rows)
        return "200, pending, 0 of 5 attempts used" if fresh and kept else ""

    def arrived(self) -> str:
        """Once each, by the receiver's own count."""
        sent = all(map(self._is_delivered, self._cast.webhooks))
        once = all(len(self._accepted_copies(id_)) == 1 for id_ in self._cast.webhooks)
        return "sent, and accepted by the receiver" if sent and once else ""

    def same_ids(self) -> str:
        """By what the bodies are about, not by the header that is in question."""
        about = [(id_, self._received(id_)) for id_ in self._cast.webhooks]
        same = all({seen.request.headers.get("webhook-id") for seen in received} == {id_} for id_, received in about)
        return f"{sum(len(received) for _, received in about)} requests, {len(about)} ids" if same else ""

    def signed(self) -> str:
        """Every request that came, refused or not; and the check can fail."""
        received = self._world.received
        genuine = all(self._verifies(seen, seen.request.body) for seen in received)
        forged = any(self._verifies(seen, seen.request.body + b" ") for seen in received)
        return f"{len(received)} of {len(received)}; with one byte more, none" if genuine and not forged else ""

    def late_arrived(self) -> str:
        """Without a requeue."""
        late, copies = self._world.rows[self._cast.late], self._accepted_copies(self._cast.late)
        arrived = self._is_delivered(self._cast.late) and len(copies) == 1 and late.retry_count >= TWICE
        return f"on attempt {len(late.life)}" if arrived else ""

    def never_delivered(self) -> str:
        """The receiver has accepted nothing about the certificate that was renewed."""
        refused = len(self._received(self._cast.renewed_alert))
        stays = self._world.rows[self._cast.renewed_alert].status == "superseded"
        never = stays and refused and not self._accepted_copies(self._cast.renewed_alert)
        return f"refused {refused} times during the outage, and not sent again" if never else ""

    def none_dead(self) -> str:
        """The summary again."""
        return "notifications_dead 0" if self._world.count_dead() == 0 else ""

    # ── Where it is seen ─────────────────────────────────────────────────────────────────────────────────────────────

    def _rows(self) -> list[Row]:
        return [self._world.rows[id_] for id_ in self._cast.webhooks]

    def _is_delivered(self, id_: str) -> bool:
        row = self._world.rows[id_]
        return (row.status, row.outcome) == ("sent", "delivered")

    def _received(self, id_: str) -> list[Received]:
        return [seen for seen in self._world.received if seen.about == id_]

    def _accepted_copies(self, id_: str) -> list[Received]:
        return [seen for seen in self._received(id_) if seen.status == HTTPStatus.NO_CONTENT]

    def _verifies(self, seen: Received, body: bytes) -> bool:
        try:
            Webhook(self._world.secret).verify(body, dict(seen.request.headers))
        except WebhookVerificationError:
            return False
        return True
