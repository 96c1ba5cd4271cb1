"""What CloudWatch tells a custom widget's function beside its parameters: `widgetContext`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

_THEMES = ("light", "dark")
_WIDEST = 10_000
"""Pixels."""
_MINUTE = 60


class BadRequestError(Exception):
    """The page sent what its own script does not send."""


@dataclass(frozen=True)
class Asked:
    """One request of the page to a widget's function."""

    endpoint: str | None
    params: Mapping[str, Any]
    """The action's content."""
    configured: Mapping[str, Any]
    """The widget's own parameters, as the dashboard has them."""
    forms: Mapping[str, Any]
    theme: str
    timezone: tuple[str, str, int]
    """Label, offset as ISO 8601 has it, and minutes to add to local time for UTC."""
    size: tuple[int, int]
    widget: str
    locale: str

    @classmethod
    def of(cls, body: object) -> "Asked":
        """Read JSON; raise BadRequestError."""
        if not isinstance(body, dict):
            raise BadRequestError("An object is asked for.")
        zone = _object(body, "timezone")
        return cls(
            endpoint=None if body.get("endpoint") is None else _text(body, "endpoint"),
            params=_object(body, "params"),
            configured=_object(body, "configured"),
            forms=_object(body, "forms"),
            theme=theme if (theme := body.get("theme")) in _THEMES else "light",
            timezone=(_text(zone, "label"), _text(zone, "offsetISO"), _number(zone, "offsetInMinutes")),
            size=(_number(body, "width"), _number(body, "height")),
            widget=_text(body, "widget"),
            locale=_text(body, "locale"),
        )

    def event(self, stack: str, account: str, now: datetime) -> Mapping[str, Any]:
        """Give the function's event."""
        label, iso, minutes = self.timezone
        end = int(now.timestamp() * 1000)
        start = int((now - timedelta(hours=3)).timestamp() * 1000)
        context = {
            "dashboardName": stack,
            "widgetId": self.widget,
            "accountId": account,
            "locale": self.locale,
            "timezone": {"label": label, "offsetISO": iso, "offsetInMinutes": minutes},
            "period": 5 * _MINUTE,
            "isAutoPeriod": True,
            "timeRange": {"mode": "relative", "start": start, "end": end, "relativeStart": 3 * 3_600_000},
            "theme": self.theme,
            "linkCharts": False,
            "title": "Tocsin",
            "forms": {"all": dict(self.forms)},
            "params": dict(self.configured),
            "width": self.size[0],
            "height": self.size[1],
        }
        return {**self.params, "widgetContext": context}


def _object(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = body.get(name, {})
    if not isinstance(value, dict):
        raise BadRequestError(f"{name} is no object.")
    return value


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str):
        raise BadRequestError(f"{name} is no text.")
    return value


def _number(body: Mapping[str, Any], name: str) -> int:
    value = body.get(name, 0)
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not -_WIDEST < value < _WIDEST:
        raise BadRequestError(f"{name} is no number that can be.")
    return int(value)
