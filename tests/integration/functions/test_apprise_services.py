"""Which services Apprise may be used for, and where it can go: to hosts of theirs, and never anywhere else."""

import ast
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import apprise.plugins
import pytest
import requests
from apprise.manager_plugins import NotificationManager

from local.receiver import answers
from tests.docs.markdown import page, tables
from tests.support.apprise import PUSHOVER, Network, a_provider, invoked, network, sent, the_hosts
from tests.unit.network.test_address import FORBIDDEN

__all__ = ["network"]

KEY = "0123456789abcdef" * 2
UUID = "abcdef01-2345-6789-abcd-ef0123456789"
TO = "+15557654321"
FROM = "+15551234567"
MAIL = "apikey0123456789:from@example.com/to@example.com"
SAMPLES = {
    "46elks": f"46elks://user:pass@{FROM}/{TO}",
    "brevo": f"brevo://{MAIL}",
    "bulksms": f"bulksms://id:secret@{TO}",
    "clickatell": f"clickatell://apikey0123/{TO}",
    "clicksend": f"clicksend://user:key@{TO}",
    "d7sms": f"d7sms://{KEY}@{TO}",
    "dingtalk": f"dingtalk://{KEY}",
    "discord": "discord://123456789012345678/a-token-of-the-webhook",
    "feishu": f"feishu://{KEY}",
    "firehydrant": f"firehydrant://{KEY}",
    "flock": f"flock://{KEY[:24]}",
    "gchat": "gchat://space/key/token",
    "groupme": f"groupme://{KEY[:26]}",
    "ifttt": "ifttt://webhookid/event",
    "ilert": f"ilert://{KEY}",
    "incidentio": "incidentio://01ABCDEF/token",
    "lark": f"lark://{UUID}",
    "line": "line://token/U0123456789",
    "mailersend": f"mailersend://{MAIL}",
    "mailgun": "mailgun://from@example.com/apikey0123/to@example.com",
    "msgbird": f"msgbird://abcdefghijklmnopqrstuvwxy/{FROM}/{TO}",
    "nexmo": f"nexmo://abcdef01:secret01234567890@{FROM}/{TO}",
    "ntfy": "ntfy://topic",
    "onesignal": "onesignal://app@apikey/player",
    "pagertree": "pagertree://int_abcdefgh",
    "pbul": f"pbul://{KEY}ab",
    "plivo": f"plivo://{'A' * 25}@{'b' * 40}/{FROM}/{TO}",
    "postmark": f"postmark://{MAIL}",
    "pover": PUSHOVER,
    "prowl": f"prowl://{'a' * 40}",
    "psafers": f"psafers://{'a' * 20}",
    "pushy": "pushy://apikey/device",
    "resend": f"resend://{MAIL}",
    "sendgrid": f"sendgrid://{MAIL}",
    "seven": f"seven://apikey/{TO}",
    "signl4": "signl4://secret",
    "sinch": f"sinch://{'a' * 32}:{'b' * 32}@{FROM}/{TO}",
    "smtp2go": "smtp2go://from@example.com/apikey0123/to@example.com",
    "sparkpost": "sparkpost://from@example.com/apikey0123/to@example.com",
    "spike": f"spike://{KEY}",
    "splunk": f"splunk://route@{UUID}",
    "squadcast": f"squadcast://{KEY}",
    "telnyx": f"telnyx://apikey@{FROM}/{TO}",
    "tgram": "tgram://123456789:abcdefg_hijklmnop/12345",
    "threema": f"threema://*THEGWID@secret/{TO}",
    "twilio": f"twilio://AC{KEY}:{KEY}@{FROM}/{TO}",
    "viber": "viber://token/receiver",
    "victorops": f"victorops://route@{UUID}",
    "vonage": f"vonage://abcdef01:secret01234567890@{FROM}/{TO}",
    "webex": f"webex://{'a' * 80}",
    "wecombot": f"wecombot://{UUID}",
    "wxteams": f"wxteams://{'a' * 80}",
    "zoom": "zoom://webhookid/token",
    "zulip": f"zulip://bot@org/{'a' * 32}",
}
"""A URL of each service as an operator would write it, with one target."""
ANY_HOST = ["json", "jsons", "xml", "xmls", "form", "forms", "apprise", "apprises", "mailto", "mailtos"]
"""Schemes that reach any URL."""
ARGUMENTS = "redirect=yes&verify=no&retry=3&overflow=split&format=markdown&optional=yes&emojis=yes&tz=UTC&store=yes"
OWN_WAYS_OUT = {"aiohttp", "asyncio", "ftplib", "http", "paho", "smtplib", "socket", "ssl", "subprocess", "urllib3"}
"""Modules by which a plugin could get round `requests`."""


def may_be_reached(name: str, host: str) -> bool:
    """Ask the function's own list."""
    found: bool = sys.modules["services"].SERVICES[name].may_reach(host)
    return found


def test_every_service_has_a_sample(network: Network) -> None:
    assert SAMPLES.keys() == sys.modules["services"].SERVICES.keys()


@pytest.mark.parametrize("arguments", ["", ARGUMENTS])
@pytest.mark.parametrize("name", SAMPLES)
async def test_a_service_reaches_its_own_hosts_by_one_request(
    name: str, arguments: str, network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And by TLS on 443, whatever arguments the URL has, and whatever a long message would be split into."""
    url = SAMPLES[name] + ("?" + arguments if arguments else "")
    async with a_provider(network, answers(200, b"{}"), monkeypatch, tmp_path) as provider:
        answer = await sent(url, body="words " * 5000)
    assert (answer["outcome"], answer["status"]) in {("accepted", 200), ("answered", 200)}
    assert len(provider.requests) == 1
    assert all(may_be_reached(name, host) and port == 443 for host, port in network.reached)


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # a plugin that nobody may use imports it on Python 3.11
def test_whatever_else_apprise_knows_is_refused(network: Network) -> None:
    """All of its schemes but those of the list, in any case."""
    manager: Any = NotificationManager  # it has no types
    schemes = set(manager().schemas()) - SAMPLES.keys()
    assert schemes > set(ANY_HOST)
    for scheme in schemes:
        for written in (scheme, scheme.upper(), scheme.title()):
            answer = invoked(f"{written}://user:pass@example.com/a/b")
            assert (answer["outcome"], network.reached) == ("refused", []), written


def written(address: str) -> list[str]:
    """Write an address in the ways in which it may stand in a URL."""
    host = f"[{address}]" if ":" in address else address
    return [host, f"{host}:8080", f"user:pass@{host}", f"{host}.", quote(address, safe=""), f"{host}#", f"x@{host}:443"]


@pytest.mark.parametrize("address", [*FORBIDDEN, "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "localhost"])
def test_no_address_of_the_faults_page_is_reached(address: str, network: Network) -> None:
    """Faults, "Addresses a webhook must never reach": by no scheme, in no form, as host or as a part of a URL."""
    for form in written(address):
        for scheme in (*ANY_HOST, "http", "https", "file", "config", *SAMPLES):
            invoked(f"{scheme}://{form}/latest/meta-data/{KEY}")
            invoked(f"{scheme}://{form}")
    assert {host for host, _ in network.reached} <= set(the_hosts())
    assert all(port == 443 for _, port in network.reached)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/",
        "https://[::ffff:169.254.169.254]/",
        "http://127.0.0.1:9001/2018-06-01/runtime/invocation/next",
        "http://api.pushover.net/1/messages.json",
        "https://api.pushover.net:8443/1/messages.json",
        "https://api.pushover.net.example.com/",
        "https://xapi.pushover.net/",
        "https://api.pushover.net@127.0.0.1/",
        "https://127.0.0.1\\@api.pushover.net/",
        "https://api.telegram.org/",  # allowed, but to another service
    ],
)
def test_a_plugin_that_goes_elsewhere_is_stopped(url: str, network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if a plugin could be talked into it: the plugin is changed here to ask for just that."""
    monkeypatch.setattr("apprise.plugins.pushover.NotifyPushover.notify_url", url)
    answer = invoked(PUSHOVER)
    assert (answer["outcome"], network.reached) == ("refused", [])


def test_nothing_is_sent_outside_of_a_try(network: Network) -> None:
    """What an abandoned thread, or a plugin that is only being made, asks for."""
    with pytest.raises(requests.exceptions.RequestException):
        requests.get("https://api.pushover.net/", timeout=1)
    assert network.reached == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "pover",
        "://x",
        "tgram:/x",
        f"{PUSHOVER},json://127.0.0.1/",
        f"{PUSHOVER} json://127.0.0.1/",
        f"{PUSHOVER}\njson://127.0.0.1/",
        f"{PUSHOVER}\t",
        f" {PUSHOVER}",
        f"{PUSHOVER}?x=json://127.0.0.1/",
        "https://discord.com/api/webhooks/123456789012345678/token",  # Apprise would know it for Discord's
        "urls:\n  - json://127.0.0.1/",
        "ntfy://127.0.0.1/topic",
        "ntfys://ntfy.example.com/topic",
        "ntfy://user:pass@ntfy.sh.example.com/topic",
        "ntfy://ntfy.sh:8443/topic",
        "ntfy://example.com/topic?mode=private",
        "ntfy://topic@example.com/a",
        f"zulip://bot@evil.example/{'a' * 32}",
        f"zulip://bot@org.evil.example/{'a' * 32}",
        "tgram://123456789:abcdefg_hijklmnop/12345?template=/proc/self/environ",
        "tgram://123456789:abcdefg_hijklmnop/12345?TEMPLATE=http%3A%2F%2F127.0.0.1%2F",
        "tgram://123456789:abcdefg_hijklmnop/12345?t%65mplate=/etc/passwd",
        "discord://123456789012345678/token?template=/etc/passwd",
        "tgram://123456789:abcdefg_hijklmnop/1/2/3",  # three requests, of which some may fail
        f"twilio://AC{KEY}:{KEY}@{FROM}/{TO}/+15557654322",
        "pover://",
    ],
)
def test_what_is_not_one_url_of_one_target_is_refused(url: str, network: Network) -> None:
    """Nothing is connected to."""
    answer = invoked(url)
    assert (answer["outcome"], network.reached) == ("refused", [])


def test_the_plugins_have_no_way_out_but_requests(network: Network) -> None:
    """It is there that their hosts are held. A new version of Apprise may change that: this test looks."""
    for name, service in sys.modules["services"].SERVICES.items():
        path = Path(apprise.plugins.__file__).parent / f"{service.module}.py"
        imported = {
            module.partition(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            for module in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom) and node.level == 0
                else []
            )
        }
        assert "requests" in imported, name
        assert not imported & OWN_WAYS_OUT, name


def test_the_page_lists_every_service_and_its_hosts(network: Network) -> None:
    """docs/connectors.md shows what the code has."""
    shown = {
        scheme: row["hosts that are reached"].replace("`", "").split(", ")
        for row in tables(page("docs/connectors.md"), "Apprise")[1]
        for scheme in row["scheme"].replace("`", "").split(", ")
    }
    assert shown == {name: list(service.hosts) for name, service in sys.modules["services"].SERVICES.items()}
