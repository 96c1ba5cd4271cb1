"""OpsGenie, and Jira Service Management Operations, which speaks the same: an alert for each notification.

Both are asynchronous: a 202 says that a request was taken, and its id is the receipt, by which `fate` asks what became
of it. What becomes of an answer: `incident`. Sources: Opsgenie's pages "Alert API" and "Response", Atlassian's
"Integration events" (developer.atlassian.com/cloud/jira/service-desk-ops).
"""

import re
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, SecretStr

from tocsin.channels.channel import ChannelSettings, Tools, broken
from tocsin.channels.document import ChannelDocument
from tocsin.channels.http import Answer, request, secrets_in, without
from tocsin.channels.incident import FACT_LIMIT, body_of, fitted, incident_key, judged, links_of, read
from tocsin.channels.wording import Wording, facts_of
from tocsin.delivery.attempt import Accepted, SendResult
from tocsin.delivery.channel_name import OPSGENIE_ENDS
from tocsin.delivery.fate import Fate, Known, NotYet
from tocsin.delivery.notification import LAST_ERROR_LIMIT, Act, Notification, Severity
from tocsin.text import bounded

JSM_URL = "https://api.atlassian.com/jsm/ops/integration/v2/alerts"
OPSGENIE_URL = "https://api.opsgenie.com/v2/alerts"
OPSGENIE_DOMAIN = "opsgenie.com"
SOURCE = "Tocsin"
MESSAGE_LIMIT = 130
DESCRIPTION_LIMIT = 15_000
ALIAS_LIMIT = 512
ENTITY_LIMIT = 512
TAG_LIMIT = 50
"""Characters ("Alert API", Create Alert)."""
NOTE_LIMIT = 15_000
"""Characters of what an acknowledgement or a close says: as much as a description, and less than it may."""
PRIORITIES = {Severity.INFORMATIONAL: "P5", Severity.WARNING: "P3", Severity.CRITICAL: "P1"}
RECEIPT = "request:"
ASK_AFTER = 60.0
"""Seconds until the status of a request is asked for: a request takes some to be worked on."""

_KEY = re.compile("[!-~]{1,128}")
"""Visible ASCII: it stands in a header."""
_REQUEST_ID = re.compile("[A-Za-z0-9-]{1,100}")
"""It stands in a path, and fits a receipt."""
_TAG_BEGINS = re.compile("<(?=[A-Za-z/!?])")
_ACTIONS = {Act.ACKNOWLEDGE: "acknowledge", Act.RESOLVE: "close"}
_OF_THE_CHANNEL = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN})
"""The key is invalid, its integration off, its plan or its permissions too small ("Response", Response Codes)."""


def _checked_key(key: SecretStr) -> SecretStr:
    if not _KEY.fullmatch(key.get_secret_value()):
        raise ValueError("an API key is up to 128 visible ASCII characters")
    return key


def _checked_url(url: SecretStr) -> SecretStr:
    if re.search(r"[?#]", url.get_secret_value()):
        raise ValueError("must end with the path of the alerts, with no ? or # behind it")
    return url


Url = Annotated[SecretStr, AfterValidator(_checked_url)]


class JsmDocument(ChannelDocument):
    """The channel's parameter."""

    api_key: Annotated[SecretStr, AfterValidator(_checked_key)]
    """An integration's, not an account's: those can't create alerts."""
    url: Url = SecretStr(JSM_URL)
    """The resource of the alerts."""

    def warning(self) -> str | None:
        """Say when what it posts to ends."""
        try:
            host = urlsplit(self.url.get_secret_value()).hostname or ""
        except ValueError:
            return None
        return OPSGENIE_ENDS if f".{host}".endswith(f".{OPSGENIE_DOMAIN}") else None


class OpsGenieDocument(JsmDocument):
    """The same, with another default."""

    url: Url = SecretStr(OPSGENIE_URL)
    """The resource of the alerts; in the EU `https://api.eu.opsgenie.com/v2/alerts`."""


class AlertsChannel:
    """Sends each notification as one request: to create an alert, or to acknowledge or close one by its alias."""

    def __init__(self, config: JsmDocument, tools: Tools) -> None:
        """Keep the key; nothing is opened yet."""
        self._key = config.api_key.get_secret_value()
        self._url = config.url.get_secret_value().rstrip("/")
        is_known = self._url in (JSM_URL, OPSGENIE_URL)
        self._secrets = {self._key} | (set() if is_known else secrets_in(self._url))
        self._tools = tools

    async def send(self, notification: Notification) -> SendResult:
        """Send its request once."""
        if problem := self._tools.settings.reach.endpoint_problem(self._url):
            return broken(f"url: {problem}")
        wording = await self._tools.words(notification, without_tags)
        body = body_of(alert_of(notification, wording, self._tools.settings))
        answer = await request(self._tools, f"{self._url}{path_of(notification)}", body=body, headers=self._headers())
        if isinstance(answer, Answer) and answer.status == HTTPStatus.ACCEPTED:
            receipt = _receipt(answer)
            return Accepted(answer.status, receipt, ASK_AFTER if receipt else None)
        status = answer.status if isinstance(answer, Answer) else None
        return judged(answer, is_broken=_is_broken(status, notification.act), secrets=self._secrets)

    async def fate(self, receipt: str) -> Fate:
        """Ask once what became of the request of this receipt. Never raises for what the world does."""
        identity = receipt.removeprefix(RECEIPT)
        if not (receipt.startswith(RECEIPT) and _REQUEST_ID.fullmatch(identity)):
            return NotYet("the receipt names no request of this service")
        if problem := self._tools.settings.reach.endpoint_problem(self._url):
            return NotYet(bounded(f"url: {problem}", LAST_ERROR_LIMIT))
        url = f"{self._url}/requests/{identity}"
        answer = await request(self._tools, url, headers=self._headers(), method="GET")
        return self._fate(answer) if isinstance(answer, Answer) else NotYet(answer.error, is_hung=answer.hung)

    def _fate(self, answer: Answer) -> Fate:
        found = read(answer.text).get("data")
        data = found if isinstance(found, dict) else {}
        success = data.get("isSuccess", data.get("success"))
        if answer.status == HTTPStatus.OK and isinstance(success, bool):
            said = str(data.get("status", "")) or ("done" if success else "no reason given")
            return Known(success, bounded(without(self._secrets, said), LAST_ERROR_LIMIT))
        reason = bounded(without(self._secrets, answer.error), LAST_ERROR_LIMIT)
        return NotYet(reason, answer.retry_after)

    def _headers(self) -> dict[str, str]:
        return {"content-type": "application/json", "authorization": f"GenieKey {self._key}"}


def without_tags(text: str) -> str:
    """Escape for what shows some HTML and is read as plain text as well: no tag begins, and nothing looks odd."""
    return _TAG_BEGINS.sub("< ", text)


def path_of(notification: Notification) -> str:
    """Give what stands behind the URL of the alerts."""
    if notification.act is Act.TRIGGER:
        return ""
    alias = quote(incident_key(notification, ALIAS_LIMIT), safe="")
    return f"/{alias}/{_ACTIONS[notification.act]}?identifierType=alias"


def alert_of(notification: Notification, wording: Wording, settings: ChannelSettings) -> dict[str, Any]:
    """Give the body of its request. The body of `wording` is escaped already."""
    if notification.act is not Act.TRIGGER:
        return {"source": SOURCE, "note": fitted(wording.body, NOTE_LIMIT)}
    facts = [(label, _plain(fact, FACT_LIMIT)) for label, fact in facts_of(notification)]
    tags = [notification.severity.value, _plain(notification.type, TAG_LIMIT)]
    return {
        "message": _plain(wording.subject or notification.type or SOURCE, MESSAGE_LIMIT),
        "alias": incident_key(notification, ALIAS_LIMIT),
        "description": fitted(wording.body, DESCRIPTION_LIMIT),
        "priority": PRIORITIES[notification.severity],
        "tags": [tag for tag in tags if tag],
        "details": {**dict(facts), **dict(links_of(notification, settings.links))},
        "entity": _plain(notification.certificate_id or settings.stack or SOURCE, ENTITY_LIMIT),
        "source": SOURCE,
    }


def _plain(text: str, limit: int) -> str:
    return fitted(without_tags(text), limit)


def _receipt(answer: Answer) -> str | None:
    identity = read(answer.text).get("requestId")
    return f"{RECEIPT}{identity}" if isinstance(identity, str) and _REQUEST_ID.fullmatch(identity) else None


def _is_broken(status: int | None, act: Act) -> bool:
    """Tell whether every request would be refused so. A 404 may be about the alert, but not where one is created."""
    return status in _OF_THE_CHANNEL or (status == HTTPStatus.NOT_FOUND and act is Act.TRIGGER)
