"""Templates: where they are looked for, what they may say, and that nothing foreign breaks out of their markup."""

import html
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.channels import NOW, a_notification
from tocsin.channels.template import (
    FIELDS,
    VARIABLES,
    TemplateRefusedError,
    parsed,
    places_of,
    problems_of,
    values_of,
    worded,
)
from tocsin.channels.template_language import DEPTH_LIMIT, OUTPUT_LIMIT, SIZE_LIMIT, SOURCE_LIMIT, compiled
from tocsin.channels.wording import Escape, Links, as_it_is
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import MESSAGE_LIMIT
from tocsin.errors import FieldProblem

MAIL, SLACK = ChannelName.EMAIL, ChannelName("Slack:payments")
LINKS = Links("https://tocsin.example.com/live")


def brackets(text: str) -> str:
    """A markup in which what stands in brackets means something."""
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")


def slack(text: str) -> str:
    """Slack's own (its reference, "Escaping text")."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def body(text: str, escape: Escape = as_it_is, **fields: Any) -> str:
    return worded(a_notification(**fields), {"body": text}, escape, LINKS).body


def refusal(text: str, field: str = "body", **fields: Any) -> str:
    with pytest.raises(TemplateRefusedError) as refused:
        worded(a_notification(**fields), {field: text}, as_it_is, LINKS)
    assert refused.value.problem.field == field
    return refused.value.problem.detail


# ── Where ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_channels_own_come_before_its_kinds_and_a_type_before_the_default() -> None:
    assert places_of(a_notification(channel=SLACK, type="Revocation")) == (
        "Slack/payments/Revocation",
        "Slack/payments/default",
        "Slack/Revocation",
        "Slack/default",
    )


def test_a_default_channel_has_those_of_its_kind_only() -> None:
    assert places_of(a_notification(channel=MAIL)) == ("Email/ExpirationWarning", "Email/default")


@given(st.from_regex(r"Custom:[A-Za-z0-9_.-]{1,64}", fullmatch=True))
def test_every_place_is_one_that_ssm_takes(type_: str) -> None:
    """SSM's API reference, PutParameter: letters, digits, `_ . -` and slashes."""
    for place in places_of(a_notification(channel=SLACK, type=type_)):
        assert re.fullmatch(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+){1,2}", place)


# ── What ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_it_leaves_out_is_as_without_it() -> None:
    said = worded(a_notification(), {"subject": "{{ severity|upper }}: {{ subject }}"}, brackets, LINKS)
    assert said.subject == "WARNING: api.example.com expires in 7 days"
    assert said.body == "\\[threshold:7\\] renew it"
    assert (said.html, said.problem) == (None, None)


def test_every_variable_is_a_text() -> None:
    values = values_of(a_notification(), Links())
    assert values.keys() == VARIABLES
    assert all(type(value) is str for value in values.values())
    assert values["created_at"] == f"{NOW:%Y-%m-%d %H:%M:%S} UTC"


def test_a_template_says_what_its_language_can() -> None:
    text = """
{% if severity == "critical" or not certificate_id %}
Now!
{% elif severity == "warning" and "expires" in subject %}
Soon: {{ certificate_id|default("?") }} {{ message|truncate(5)|title }} {{ "yes" if link else "no" }}
{% else %}
Never.
{% endif %}
{{ message|replace("renew", "please renew")|trim }}{# nobody sees this #}"""
    assert body(text, certificate_id="c-1") == "\nSoon: c-1 [Thr… yes\n[threshold:7] please renew it"


def test_a_subject_is_one_line() -> None:
    said = worded(a_notification(), {"subject": "a\n{{ message }}\r\nBcc: x@example.com"}, brackets, LINKS)
    assert said.subject == "a [threshold:7] renew it Bcc: x@example.com"


HOSTILE = {
    "loop": ("{% for a in message %}{{ message }}{% endfor %}", "line 1: a loop is not allowed"),
    "assignment": ("a\n{% set a = message %}", "line 2: an assignment is not allowed"),
    "block assignment": ("{% set a %}{% endset %}", "line 1: an assignment is not allowed"),
    "macro": ("\n\n{% macro a() %}{{ a() }}{% endmacro %}", "line 3: a macro is not allowed"),
    "call": ("{{ message() }}", "line 1: a call is not allowed"),
    "call of a method": ("{{ message.format(subject) }}", "line 1: a call is not allowed"),
    "call block": ("{% call message() %}{% endcall %}", "line 1: a call is not allowed"),
    "attribute": ("{{ message.__class__ }}", "line 1: an attribute is not allowed"),
    "subscript": ("{{ message[0] }}", "line 1: a subscript is not allowed"),
    "slice": ("{{ message[:9] }}", "line 1: a subscript is not allowed"),
    "include": ("{% include '/etc/passwd' %}", "line 1: an include is not allowed"),
    "import": ("{% import 'os' as os %}", "line 1: an import is not allowed"),
    "import from": ("{% from 'os' import path %}", "line 1: an import is not allowed"),
    "parent": ("{% extends 'x' %}", "line 1: a parent is not allowed"),
    "block": ("{% block a %}{% endblock %}", "line 1: a block is not allowed"),
    "block filter": ("{% filter upper %}a{% endfilter %}", "line 1: a block is not allowed"),
    "scope": ("{% with a = 1 %}{% endwith %}", "line 1: an assignment is not allowed"),
    "sum": ("{{ message + message }}", "line 1: arithmetic is not allowed"),
    "product": ("{{ 'a' * 1000000000 }}", "line 1: arithmetic is not allowed"),
    "power": ("{{ 9 ** 9 ** 9 }}", "line 1: arithmetic is not allowed"),
    "negative": ("{{ -1 }}", "line 1: arithmetic is not allowed"),
    "format": ("{{ '%1000000000d' % 1 }}", "line 1: arithmetic is not allowed"),
    "concatenation": ("{{ message ~ message }}", "line 1: a concatenation is not allowed"),
    "list": ("{{ [1, 2] }}", "line 1: a list is not allowed"),
    "mapping": ("{{ {1: 2} }}", "line 1: a list is not allowed"),
    "test": ("{{ message is defined }}", "line 1: a test is not allowed"),
    "unknown tag": ("a\n{% s3cret %}", "line 2: can't be read as a template"),
    "half a tag": ("a\n\n{{ s3cret", "line 3: can't be read as a template"),
    "filter with too many arguments": ("{{ message|upper(1) }}", "line 1: the filter upper takes no arguments"),
    "filter with too few": ("{{ message|replace('a') }}", "line 1: the filter replace takes 2 arguments"),
    "filter with unpacked ones": ("{{ message|default(*subject) }}", "line 1: the filter default takes 1 argument"),
    "filter with a named one": ("{{ message|truncate(length=5) }}", "line 1: the filter truncate takes 1 argument"),
    "length that is none": ("{{ message|truncate('5') }}", "line 1: the filter truncate takes a whole number"),
    "text that is none": ("{{ message|default(5) }}", "line 1: the filter default takes texts"),
    "brackets": ("{{" + "(" * 6000 + "message", "can't be read as a template"),
    "negations": ("{{" + " not" * 4000 + " message }}", "can't be read as a template"),
    "nested conditions": ("{% if a %}" * 1000 + "{% endif %}" * 400, "can't be read as a template"),
    "closed nested conditions": (
        "{% if act %}" * 150 + "{% endif %}" * 150,
        f"line 1: is nested more than {DEPTH_LIMIT} deep",
    ),
    "a number of many digits": ("{{ " + "9" * 6000 + " }}", "can't be read as a template"),
    "many filters": ("{{ message" + "|upper" * 60 + " }}", f"line 1: is nested more than {DEPTH_LIMIT} deep"),
    "many constructs": ("{{ act }}" * SIZE_LIMIT, f"line 1: has more than {SIZE_LIMIT} constructs"),
    "too long": ("x" * (SOURCE_LIMIT + 1), f"is over {SOURCE_LIMIT} characters"),
    "comparison of a text and a number": ("a\n{{ message < 1 }}", "line 2: can't be worked out for this notification"),
    "infinity": ("{{ 1e999 }}", "line 1: can't be worked out for this notification"),
    "half a character": ("{{ '\\ud800' }}", "comes to half a character (a lone surrogate)"),
    "half a character in the text": ("\ud800", "comes to half a character (a lone surrogate)"),
    "nothing": ("{% if not message %}{{ subject }}{% endif %}", "says nothing of this notification"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_refused_is_named_with_its_line_and_not_repeated(case: str) -> None:
    text, detail = HOSTILE[case]
    said = refusal(text)
    assert said == detail
    assert "s3cret" not in said


@pytest.mark.parametrize(
    "name", ["self", "loop", "range", "lipsum", "cycler", "namespace", "caller", "s3cret", "Message"]
)
def test_there_is_nothing_but_the_variables(name: str) -> None:
    assert refusal(f"a\n{{{{ {name} }}}}").startswith("line 2: there is no such variable; there are about, act,")


@pytest.mark.parametrize("name", ["safe", "e", "escape", "map", "attr", "format", "join", "tojson", "pprint", "s3cret"])
def test_there_is_nothing_but_the_filters(name: str) -> None:
    assert refusal(f"{{{{ message|{name} }}}}").startswith("line 1: there is no such filter; there are default, lower,")


GROWING = {
    "a replacement": "{{ message|replace('a', '" + "x" * 999 + "') }}",
    "of nothing": "{{ message|replace('', 'abc') }}",
    "in a chain": "{{ 'a'" + "|replace('a', 'aa')" * 30 + " }}",
    "by a variable": "{{ message|replace('a', message) }}",
    "in an argument": "{{ subject|replace('a', message|replace('a', message)) }}",
    "in a condition": "{% if message|replace('a', message) %}x{% endif %}",
    "of what is said": "{{ message }}" * 100,
}


@pytest.mark.parametrize("case", GROWING)
def test_nothing_grows_beyond_its_bound(case: str) -> None:
    said = refusal(GROWING[case], message="a" * MESSAGE_LIMIT)
    assert said.removeprefix("line 1: ") == f"comes to more than {OUTPUT_LIMIT} bytes"


def test_the_bound_is_one_of_bytes() -> None:
    assert refusal("{{ message }}" * 5, message="💥" * 4096) == f"comes to more than {OUTPUT_LIMIT} bytes"


# ── Breaking out ─────────────────────────────────────────────────────────────────────────────────────────────────────

BREAKOUTS: dict[str, tuple[str, str, Escape, str]] = {
    "as it is": ("{{ message }}", "<b>", slack, "&lt;b&gt;"),
    "made by a filter": ("{{ message|replace('a', '<') }}", "ab", slack, "&lt;b"),
    "made by a constant": ("{{ '<!channel>' }}", "", slack, "&lt;!channel&gt;"),
    "made by a choice": ("{{ message if message else '' }}", "<", slack, "&lt;"),
    "a cut does not tear what was escaped": ("{{ message|truncate(2) }}", "<<<", slack, "&lt;…"),
    "unescaping by a filter": ("{{ message|replace('&lt;', '<') }}", "&lt;", slack, "&lt;"),
    "escaping the escape": ("{{ message|replace('b', ']') }}", "\\b", brackets, "\\\\\\]"),
    "a template of its own": ("{{ message }}", "{{ subject }}{% for %}", slack, "{{ subject }}{% for %}"),
    "the author's own markup stays": ("<u>{{ message }}</u>", "<i>", html.escape, "<u>&lt;i&gt;</u>"),
    "out of an attribute": (
        '<i title="{{ message }}">',
        '" onclick="x',
        html.escape,
        '<i title="&quot; onclick=&quot;x">',
    ),
}


@pytest.mark.parametrize("case", BREAKOUTS)
def test_foreign_text_means_nothing_but_itself(case: str) -> None:
    text, message, escape, said = BREAKOUTS[case]
    assert body(text, escape, message=message) == said


def test_html_is_escaped_as_html_and_the_text_as_text() -> None:
    template = {"body": "{{ message }}", "html": "<p>{{ message }}</p>"}
    said = worded(a_notification(channel=MAIL, message="<script>"), template, as_it_is, LINKS)
    assert (said.body, said.html) == ("<script>", "<p>&lt;script&gt;</p>")


@given(st.text(), st.sampled_from(sorted(VARIABLES - {"created_at", "severity", "type", "channel", "act"})))
def test_no_foreign_text_opens_a_tag(text: str, name: str) -> None:
    fields = {name: text} if name in ("subject", "message", "certificate_id", "recipient", "id") else {}
    filters = "|upper|replace('A','<')|replace('&','>')|title"
    try:
        said = worded(a_notification(channel=MAIL, **fields), {"html": f"{{{{ {name}{filters} }}}}."}, as_it_is, LINKS)
    except TemplateRefusedError:
        return  # half a character
    assert said.html is not None
    assert not set("<>\"'") & set(said.html)


# ── Whatever is written ──────────────────────────────────────────────────────────────────────────────────────────────

PIECES = st.sampled_from(
    [
        *(
            "{{",
            "}}",
            "{%",
            "%}",
            "{#",
            "#}",
            "{%-",
            "-%}",
            "\n",
            " ",
            "(",
            ")",
            "|",
            "'",
            '"',
            "\\",
            ",",
            "*",
            "~",
            ".",
        ),
        *("if", "elif", "else", "endif", "for", "in", "set", "raw", "endraw", "not", "and", "or", "==", "<", "is"),
        *("message", "subject", "upper", "replace('a', 'b')", "truncate(3)", "default", "1", "1e99", "'\\ud800'", "x"),
        *("{{ message }}", "{% if act %}", "{% endif %}", "{{ message|replace('', message) }}", "\x00", "💥", "\ud800"),
    ]
)


@given(st.sampled_from(FIELDS), st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=80), st.text(max_size=80))
def test_whatever_is_written_is_said_within_bounds_or_refused(field: str, text: str, message: str) -> None:
    """It neither raises anything else, nor hangs, nor grows."""
    row = a_notification(channel=MAIL, message=message)
    try:
        said = worded(row, {field: text}, as_it_is, LINKS)
    except TemplateRefusedError:
        return
    assert len((getattr(said, field) or "").encode()) <= OUTPUT_LIMIT


# ── What is stored ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("s3cret", "the template is no JSON"),
        ("[" * 100_000, "the template is no JSON"),
        ('["s3cret"]', "the template must be a JSON object of subject, body, html"),
        ('{"s3cret": "x"}', "the template must be a JSON object of subject, body, html"),
        ('{"body": ["s3cret"]}', "body must be a text"),
        ('{"html": "<p>s3cret"}', "html is for Email only"),
    ],
)
def test_a_stored_one_that_is_wrong_is_named_and_not_repeated(text: str, problem: str) -> None:
    with pytest.raises(TemplateRefusedError) as refused:
        parsed(text, SLACK)
    assert str(refused.value) == problem


def test_a_stored_one_may_leave_everything_out() -> None:
    assert parsed("{}", SLACK) == {}
    assert parsed(json.dumps({"html": "x"}), MAIL) == {"html": "x"}


def test_all_that_is_wrong_is_said_at_once() -> None:
    draft = {"subject": "{{ x", "body": "{% for %}", "html": "{{ message }}"}
    assert [problem.field for problem in problems_of(draft, SLACK)] == ["subject", "body", "html"]
    assert problems_of({"html": "{{ message }}"}, MAIL) == []


def test_a_template_is_read_once() -> None:
    assert compiled("body", "{{ message }}!") is compiled("body", "{{ message }}!")
    assert isinstance(compiled("body", "{{ x }}"), FieldProblem)
