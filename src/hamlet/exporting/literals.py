"""Names and values as Python source holds them: whatever they are, they stay what they are and become no code.

Names of agents, algorithms, environments and options come from files and from environments, and may hold quotes,
backslashes, line ends, braces or whatever else a text may.
"""

import keyword
import math
import re
from collections.abc import Mapping
from typing import Any

# Of the name of a file.
_LONGEST = 100


class NotALiteral(ValueError):
    """A value that no literal of Python gives back."""


def literal(value: Any) -> str:
    r"""A number, text, None, or a tuple, list or dictionary of them, as source that gives it back.

    Raises:
        NotALiteral: It is something else.

    >>> literal({"path": ("a'b\n", 1.0, None)})
    '{\'path\': ("a\'b\\n", 1.0, None)}'
    >>> literal(float("-inf"))
    "float('-inf')"
    """
    kind = type(value)
    if kind is float and not math.isfinite(value):
        return f"float({str(value)!r})"
    if value is None or kind in (bool, int, float, str, bytes):
        return ascii(value)
    if kind in (tuple, list):
        inner = ", ".join(literal(element) for element in value)
        return f"[{inner}]" if kind is list else f"({inner}{',' if len(value) == 1 else ''})"
    if kind is dict:
        return "{" + ", ".join(f"{literal(key)}: {literal(element)}" for key, element in value.items()) + "}"
    raise NotALiteral(f"{kind.__name__} is no literal")


def keywords(options: Mapping[str, Any]) -> str:
    """Keyword arguments as a call has them, also those whose names are no identifiers.

    Raises:
        NotALiteral: A value is no literal.

    >>> keywords({"agents": 3, "my option": "a"})
    "agents=3, **{'my option': 'a'}"
    """
    plain = [f"{name}={literal(value)}" for name, value in options.items() if is_name(name)]
    odd = {name: value for name, value in options.items() if not is_name(name)}
    return ", ".join([*plain, *([f"**{literal(odd)}"] if odd else [])])


def is_name(text: Any) -> bool:
    """Whether a text is an identifier that may be assigned to."""
    return isinstance(text, str) and text.isidentifier() and not keyword.iskeyword(text)


def within_text(text: Any) -> str:
    r"""A text as it stands within a docstring or a line of Markdown: on one line, and without an end of either.

    >>> within_text('a"b\n```')
    "a'b\\\\n'''"
    """
    shown = re.sub(r'["`]', "'", str(text))
    return "".join(char if char.isprintable() and char != "\\" else _escaped(char) for char in shown)


def module_name(name: str, taken: frozenset[str] | set[str]) -> str:
    """An agent's name as that of a module and a file, another for each agent.

    Args:
        name: The agent's.
        taken: Names of other agents' modules, in small letters.
    """
    stem = re.sub(r"\W", "_", name, flags=re.ASCII)[:_LONGEST] or "agent"
    stem = f"agent_{stem}" if stem[0].isdigit() or stem.startswith("__") or keyword.iskeyword(stem) else stem
    while stem.lower() in taken:
        stem += "_"
    return stem


def _escaped(character: str) -> str:
    """As Python would write it, with two backslashes: a docstring gives back one."""
    return ascii(character)[1:-1].replace("\\\\", "\\").replace("\\", "\\\\")
