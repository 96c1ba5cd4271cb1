"""The services that may be used: this list alone decides, and whatever is not in it is refused. Pure.

A service is here if its provider is widely used, if its plugin speaks to hosts of that provider only, and if it does so
by `requests` alone, which is where those hosts are held (pinned.py). Those that take a host of anybody's (Mattermost,
Gotify, mail, `json://`) never are: use the channel Webhook or Email. Services that have a channel of their own (Slack,
Teams, PagerDuty, OpsGenie, JSM, SNS) are left to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

BELOW = "*."
"""What begins an entry that means all hosts below a domain."""


@dataclass(frozen=True, slots=True)
class Service:
    """One of Apprise's plugins, and the hosts that it may speak to, by HTTPS on port 443."""

    module: str
    """Within `apprise.plugins`."""
    plugin: str
    """The class."""
    hosts: tuple[str, ...]

    def may_reach(self, host: str) -> bool:
        """Tell whether `host` is the provider's."""
        return any(host.endswith(one[1:]) if one.startswith(BELOW) else host == one for one in self.hosts)


def _service(plugin: str, *hosts: str) -> Service:
    module, _, name = plugin.partition(".")
    return Service(module, name, hosts)


SERVICES: Mapping[str, Service] = {
    "46elks": _service("fortysixelks.Notify46Elks", "api.46elks.com"),
    "brevo": _service("brevo.NotifyBrevo", "api.brevo.com"),
    "bulksms": _service("bulksms.NotifyBulkSMS", "api.bulksms.com"),
    "clickatell": _service("clickatell.NotifyClickatell", "platform.clickatell.com"),
    "clicksend": _service("clicksend.NotifyClickSend", "rest.clicksend.com"),
    "d7sms": _service("d7networks.NotifyD7Networks", "api.d7networks.com"),
    "dingtalk": _service("dingtalk.NotifyDingTalk", "oapi.dingtalk.com"),
    "discord": _service("discord.NotifyDiscord", "discord.com"),
    "feishu": _service("feishu.NotifyFeishu", "open.feishu.cn"),
    "firehydrant": _service("firehydrant.NotifyFireHydrant", "signals.firehydrant.com"),
    "flock": _service("flock.NotifyFlock", "api.flock.com", "api.flock.co"),
    "gchat": _service("google_chat.NotifyGoogleChat", "chat.googleapis.com"),
    "groupme": _service("groupme.NotifyGroupMe", "api.groupme.com"),
    "ifttt": _service("ifttt.NotifyIFTTT", "maker.ifttt.com"),
    "ilert": _service("ilert.NotifyILert", "api.ilert.com"),
    "incidentio": _service("incidentio.NotifyIncidentIO", "api.incident.io"),
    "lark": _service("lark.NotifyLark", "open.larksuite.com"),
    "line": _service("line.NotifyLine", "api.line.me"),
    "mailersend": _service("mailersend.NotifyMailerSend", "api.mailersend.com"),
    "mailgun": _service("mailgun.NotifyMailgun", "api.mailgun.net", "api.eu.mailgun.net"),
    "msgbird": _service("messagebird.NotifyMessageBird", "rest.messagebird.com"),
    "nexmo": _service("vonage.NotifyVonage", "rest.nexmo.com"),
    "ntfy": _service("ntfy.NotifyNtfy", "ntfy.sh"),
    "onesignal": _service("one_signal.NotifyOneSignal", "api.onesignal.com"),
    "pagertree": _service("pagertree.NotifyPagerTree", "api.pagertree.com"),
    "pbul": _service("pushbullet.NotifyPushBullet", "api.pushbullet.com"),
    "plivo": _service("plivo.NotifyPlivo", "api.plivo.com"),
    "postmark": _service("postmark.NotifyPostmark", "api.postmarkapp.com"),
    "pover": _service("pushover.NotifyPushover", "api.pushover.net"),
    "prowl": _service("prowl.NotifyProwl", "api.prowlapp.com"),
    "psafers": _service("pushsafer.NotifyPushSafer", "www.pushsafer.com"),
    "pushy": _service("pushy.NotifyPushy", "api.pushy.me"),
    "resend": _service("resend.NotifyResend", "api.resend.com"),
    "sendgrid": _service("sendgrid.NotifySendGrid", "api.sendgrid.com"),
    "seven": _service("seven.NotifySeven", "gateway.seven.io"),
    "signl4": _service("signl4.NotifySIGNL4", "connect.signl4.com"),
    "sinch": _service("sinch.NotifySinch", "us.sms.api.sinch.com", "eu.sms.api.sinch.com"),
    "smtp2go": _service("smtp2go.NotifySMTP2Go", "api.smtp2go.com"),
    "sparkpost": _service("sparkpost.NotifySparkPost", "api.sparkpost.com", "api.eu.sparkpost.com"),
    "spike": _service("spike.NotifySpike", "api.spike.sh"),
    "splunk": _service("splunk.NotifySplunk", "alert.victorops.com"),
    "squadcast": _service("squadcast.NotifySquadcast", "api.squadcast.com", "api.eu.squadcast.com"),
    "telnyx": _service("telnyx.NotifyTelnyx", "api.telnyx.com"),
    "tgram": _service("telegram.NotifyTelegram", "api.telegram.org"),
    "threema": _service("threema.NotifyThreema", "msgapi.threema.ch"),
    "twilio": _service("twilio.NotifyTwilio", "api.twilio.com"),
    "viber": _service("viber.NotifyViber", "chatapi.viber.com"),
    "victorops": _service("splunk.NotifySplunk", "alert.victorops.com"),
    "vonage": _service("vonage.NotifyVonage", "rest.nexmo.com"),
    "webex": _service("webexteams.NotifyWebexTeams", "webexapis.com", "api.ciscospark.com"),
    "wecombot": _service("wecombot.NotifyWeComBot", "qyapi.weixin.qq.com"),
    "wxteams": _service("webexteams.NotifyWebexTeams", "webexapis.com", "api.ciscospark.com"),
    "zoom": _service("zoom.NotifyZoom", "inbots.zoom.us"),
    "zulip": _service("zulip.NotifyZulip", "*.zulipchat.com"),
}
"""By the scheme that begins a URL of theirs."""
