"""The channel Apprise's other half: sends one text by one URL of Apprise's. It knows no table and has no permission.

Nothing of the event is ever logged or answered: the URL is a secret, and so is what Apprise and `requests` say of it.
"""

import importlib
import json
import logging
import time
from dataclasses import asdict, dataclass
from typing import Any

import pinned
from apprise import Apprise, AppriseAsset, NotifyFormat
from apprise.common import OverflowMode, PersistentStoreMode
from apprise.plugins import NotifyBase
from apprise.result import AppriseResult
from pinned import CURRENT, REFUSALS_FROM, Try
from services import SERVICES, Service

ASSET = AppriseAsset(
    async_mode=False,
    http_redirects=False,
    secure_logging=True,
    storage_mode=PersistentStoreMode.MEMORY,
    allow_templates=False,
    interpret_emojis=False,
    interpret_escapes=False,
    default_service_retry=0,
)
"""No plugins from disk, no files, no redirects, no retries."""
ALWAYS: dict[str, Any] = {
    "redirects": False,
    "verify_certificate": True,
    "retry": 0,  # a retry inside a try would send copies that nobody counts
    "optional": False,  # it would make every failure a success
    "overflow_mode": OverflowMode.TRUNCATE,  # one message is one request
    "request_rate_per_sec": 0,
    "throttle": lambda *_args, **_kwargs: None,  # it sleeps
}
"""What holds for every service, whatever the arguments of its URL say."""
FILES = frozenset({"template", "keyfile", "attach"})
"""Arguments that name a file, which a service would then be sent."""
LIBRARIES = ("apprise", "urllib3")
"""What writes URLs into the log."""
NOWHERE = logging.NullHandler()
"""Without a handler of their own, Python would write their warnings to the error stream."""


def install() -> None:
    """Hold what the plugins send to their own hosts, and what the libraries say to themselves, in this process."""
    pinned.install()
    for library in LIBRARIES:
        logging.getLogger(library).propagate = False
        logging.getLogger(library).addHandler(NOWHERE)


install()


class RefusedError(Exception):
    """The URL may not, or can't, be used. The message repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it."""

    outcome: str
    """accepted: the service took it. answered: it did not, with this status. unanswered: it went out, and no answer
    came. unsent: nothing went out. refused: this URL is not sent to."""
    error: str | None = None
    status: int | None = None
    retry_after: str | None = None
    """The header, as it came."""
    is_late: bool = False
    """Whether all of the deadline passed."""


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Send `title` and `body` by `url` within `deadline` seconds; `type` is info, warning or failure."""
    answer = _answer(event)
    line = {"level": "INFO", "message": answer.outcome, "status": answer.status, "error": answer.error}
    print(json.dumps(line), flush=True)  # noqa: T201 - the log is the way
    return asdict(answer)


def _answer(event: dict[str, Any]) -> Answer:
    try:
        name, service = _named(event["url"])
        plugin = _plugin(event["url"], name, service)
    except RefusedError as refused:
        return Answer("refused", str(refused))
    current = Try(service, time.monotonic() + event["deadline"])
    token = CURRENT.set(current)
    try:
        return _judged(_notified(plugin, event), current)
    finally:
        CURRENT.reset(token)


def _named(url: str) -> tuple[str, Service]:
    """Find the service of a URL; there must be one URL, and nothing else."""
    scheme, found, rest = url.partition("://")
    service = SERVICES.get(scheme.lower())
    if not found or service is None:
        raise RefusedError("the URL is not of a service that may be used")
    if "://" in rest or not url.isprintable() or " " in url:
        raise RefusedError("there must be one URL, and nothing else")
    return scheme.lower(), service


def _plugin(url: str, name: str, service: Service) -> NotifyBase:
    """Make the plugin that the list names, and no other: Apprise's own search would load all of them."""
    kind = getattr(importlib.import_module(f"apprise.plugins.{service.module}"), service.plugin)
    try:
        plugin = kind(asset=ASSET, **_parsed(kind, url, name))
        for attribute, value in ALWAYS.items():
            setattr(plugin, attribute, value)
        targets = len(plugin)
    except RefusedError:
        raise
    except Exception:  # noqa: BLE001 - whatever a plugin raises of a URL, its text may repeat it
        raise RefusedError("the URL can't be used: a part of it is missing or has the wrong form") from None
    if targets != 1:
        raise RefusedError("the URL must name one target: each is tried, and counted, by itself")
    return plugin  # type: ignore[no-any-return]


def _parsed(kind: type[NotifyBase], url: str, name: str) -> dict[str, Any]:
    parsed = kind.parse_url(url.replace("/#", "/%23"))  # as Apprise itself does: a channel's name may begin with #
    if not parsed or parsed["schema"] != name:
        raise RefusedError("the URL can't be read")
    if FILES & {key.lower() for key in parsed["qsd"]}:
        raise RefusedError("an argument of the URL names a file")
    return dict(parsed)


def _notified(plugin: NotifyBase, event: dict[str, Any]) -> AppriseResult:
    """Send by it. Apprise catches what a plugin raises, and leaves one behind that takes too long."""
    apprise = Apprise(asset=ASSET)
    apprise.add(plugin)
    return apprise.notify(
        body=event["body"],
        title=event["title"],
        notify_type=event["type"],
        body_format=NotifyFormat.TEXT,  # so that it escapes what is markup for the service
        timeout=event["deadline"],
    )


def _judged(result: AppriseResult, current: Try) -> Answer:
    is_late = time.monotonic() >= current.end
    if current.is_forbidden:
        return Answer("refused", "the URL leads to a host that is not the service's own")
    if current.status is not None and result:
        return Answer("accepted", status=current.status)
    if current.status is not None and (current.status >= REFUSALS_FROM or not is_late):
        return Answer("answered", f"HTTP {current.status}", current.status, current.retry_after)
    if current.is_out:
        return Answer("unanswered", "no answer came", is_late=is_late)
    if current.asked or is_late:
        return Answer("unsent", "no connection", is_late=is_late)
    return Answer("refused", "the service's plugin sent nothing: the URL names no valid target")
