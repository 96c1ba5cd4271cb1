"""The language of templates: so little of Jinja2 that nothing in it loops, calls, or grows.

A template is parsed, and refused for any construct that is not listed here; then it runs in Jinja2's sandbox, which
has nothing to guard any more. Every value is escaped where it stands, after all filters (`finalize`); what the template
itself says is not. Source: https://jinja.palletsprojects.com/en/stable/api/#jinja2.Environment
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from types import TracebackType

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, nodes, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

from tocsin.channels.template import VARIABLES, TemplateRefusedError, wrong
from tocsin.channels.wording import Escape
from tocsin.errors import FieldProblem
from tocsin.text import is_storable

SOURCE_LIMIT = 16 * 1024
"""Characters of one field: twice what SSM keeps in an advanced parameter (its API reference, PutParameter)."""
OUTPUT_LIMIT = 64 * 1024
"""Bytes of UTF-8 that a field may come to, and characters of any value in it: a message has 32 KB, and escaping makes
it longer. SNS takes 256 KB (its API reference, Publish)."""
DEPTH_LIMIT = 40
"""Constructs inside one another. Python itself takes 100 nested blocks."""
SIZE_LIMIT = 500
"""Constructs of one field: each is a filter over OUTPUT_LIMIT at worst, which takes some 100 microseconds."""

_ESCAPE = "the escape"
"""Where the context has it: no variable's name has a space."""
_NAMED: dict[type[nodes.Node], str] = {
    nodes.For: "a loop",
    nodes.Assign: "an assignment",
    nodes.AssignBlock: "an assignment",
    nodes.With: "an assignment",
    nodes.Call: "a call",
    nodes.CallBlock: "a call",
    nodes.Macro: "a macro",
    nodes.Include: "an include",
    nodes.Import: "an import",
    nodes.FromImport: "an import",
    nodes.Extends: "a parent",
    nodes.Block: "a block",
    nodes.FilterBlock: "a block",
    nodes.Getattr: "an attribute",
    nodes.Getitem: "a subscript",
    nodes.Test: "a test",
    nodes.Concat: "a concatenation",
    nodes.List: "a list",
    nodes.Tuple: "a list",
    nodes.Dict: "a list",
    nodes.Keyword: "a named argument",
}
"""What is most likely to be tried, in words. Whatever is in none of these tables is refused by its name in Jinja2."""
_ALLOWED = (
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.If,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Filter,
)


class _TooLongError(Exception):
    """A value is longer than OUTPUT_LIMIT."""


def _within(text: str) -> str:
    if len(text) > OUTPUT_LIMIT:
        raise _TooLongError
    return text


def _replace(value: object, old: str, new: str) -> str:
    """Replace without ever making what is too long."""
    text = str(value)
    if len(text) + text.count(str(old)) * (len(str(new)) - len(str(old))) > OUTPUT_LIMIT:
        raise _TooLongError
    return text.replace(str(old), str(new))


def _truncate(value: object, length: int) -> str:
    text = str(value)
    return text if len(text) <= length else text[: max(0, length - 1)] + "…"


def _default(value: object, instead: object) -> str:
    return str(value) or str(instead)


FILTERS: Mapping[str, tuple[Callable[..., str], int]] = {
    "upper": (lambda value: _within(str(value).upper()), 0),
    "lower": (lambda value: _within(str(value).lower()), 0),
    "title": (lambda value: _within(str(value).title()), 0),
    "trim": (lambda value: str(value).strip(), 0),
    "truncate": (_truncate, 1),
    "default": (_default, 1),
    "replace": (_replace, 2),
}
"""All filters, with how many arguments each takes. They are our own: Jinja2's take more, and bound nothing."""


@pass_context
def _escaped(context: Context, value: object) -> str:
    """Escape what an expression came to."""
    escape: Escape = context[_ESCAPE]
    return escape(str(value))


def _environment() -> SandboxedEnvironment:
    made = SandboxedEnvironment(
        undefined=StrictUndefined,
        finalize=_escaped,
        optimized=False,  # nothing is worked out while a template is read
        trim_blocks=True,  # an `if` in a line of its own leaves no empty line
        lstrip_blocks=True,
        cache_size=0,
    )
    made.globals.clear()
    made.tests.clear()
    made.filters = {name: function for name, (function, _) in FILTERS.items()}
    return made


_ENVIRONMENT = _environment()


@lru_cache(maxsize=256)
def compiled(field: str, text: str) -> Template | FieldProblem:
    """Read one field of a template, or say why it can't be used. The same text is read once."""
    if len(text) > SOURCE_LIMIT:
        return wrong(field, f"is over {SOURCE_LIMIT} characters")
    try:
        parsed = _ENVIRONMENT.parse(text)
        if problem := _problem(field, parsed):
            return problem
        return Template.from_code(_ENVIRONMENT, _ENVIRONMENT.compile(parsed), {})
    except TemplateSyntaxError as error:
        return wrong(field, "can't be read as a template", error.lineno)
    except (ValueError, RecursionError, MemoryError, SyntaxError):  # numbers of 5,000 digits, 5,000 brackets
        return wrong(field, "can't be read as a template")


def rendered(field: str, text: str, values: Mapping[str, str], escape: Escape) -> str:
    """Say what one field of a template comes to; raise TemplateRefusedError."""
    template = compiled(field, text)
    if isinstance(template, FieldProblem):
        raise TemplateRefusedError(template)
    try:
        said = _gathered(template.generate({**values, _ESCAPE: escape}))
    except _TooLongError as error:
        detail, line = f"comes to more than {OUTPUT_LIMIT} bytes", _line(error.__traceback__)
    except Exception as error:  # noqa: BLE001 - whatever a template of somebody else's runs into, it is the template's
        detail, line = "can't be worked out for this notification", _line(error.__traceback__)
    else:
        if is_storable(said):
            return said
        detail, line = "comes to half a character (a lone surrogate)", None
    raise TemplateRefusedError(wrong(field, detail, line))


def _gathered(pieces: Iterable[str]) -> str:
    said: list[str] = []
    length = 0
    for piece in pieces:
        length += len(piece)
        if length > OUTPUT_LIMIT:
            raise _TooLongError
        said.append(piece)
    text = "".join(said)
    if len(text.encode(errors="surrogatepass")) > OUTPUT_LIMIT:
        raise _TooLongError
    return text


def _problem(field: str, template: nodes.Template) -> FieldProblem | None:
    """Look at every construct, without recursion; say what is wrong with the first that is not allowed."""
    found: list[tuple[nodes.Node, int]] = [(node, 1) for node in reversed(template.body)]
    count = 0
    while found:
        node, depth = found.pop()
        count += 1
        if problem := _problem_of(node) or _excess(count, depth):
            return wrong(field, problem, node.lineno)
        found += [(child, depth + 1) for child in reversed(list(node.iter_child_nodes()))]
    return None


def _excess(count: int, depth: int) -> str | None:
    if count > SIZE_LIMIT:
        return f"has more than {SIZE_LIMIT} constructs"
    return f"is nested more than {DEPTH_LIMIT} deep" if depth > DEPTH_LIMIT else None


def _problem_of(node: nodes.Node) -> str | None:
    match node:
        case nodes.Name() if node.name not in VARIABLES or node.ctx != "load":
            return f"there is no such variable; there are {', '.join(sorted(VARIABLES))}"
        case nodes.Filter():
            return _filter_problem(node)
        case nodes.BinExpr() | nodes.UnaryExpr() if not isinstance(node, _ALLOWED):
            return "arithmetic is not allowed"
        case _ if isinstance(node, _ALLOWED):
            return None
    return f"{_NAMED.get(type(node), type(node).__name__)} is not allowed"


def _filter_problem(node: nodes.Filter) -> str | None:
    if node.name not in FILTERS:
        return f"there is no such filter; there are {', '.join(sorted(FILTERS))}"
    wanted = FILTERS[node.name][1]
    if node.node is None or node.kwargs or node.dyn_args or node.dyn_kwargs or len(node.args) != wanted:
        return f"the filter {node.name} takes {wanted or 'no'} argument{'' if wanted == 1 else 's'}"
    is_number = [isinstance(arg, nodes.Const) and type(arg.value) is int for arg in node.args]
    if is_number != [node.name == "truncate"] * wanted:
        return f"the filter {node.name} takes {'a whole number' if node.name == 'truncate' else 'texts'}"
    return None


def _line(traceback: TracebackType | None) -> int | None:
    """Give the template's line in a traceback, which Jinja2 has rewritten."""
    line: int | None = None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == "<template>":
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line
