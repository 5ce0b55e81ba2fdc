"""Names and values as literals in Python source code, so that they can never be executed as code.

The names of agents, algorithms, environments and options come from files and environments. They may contain any
characters, such as quotes, backslashes, newlines and braces.
"""

import keyword
import math
import re
from collections.abc import Mapping
from typing import Any

# The maximum length of a file name.
_LONGEST = 100


class NotALiteral(ValueError):
    """A value cannot be written as a Python literal."""


def literal(value: Any) -> str:
    r"""Return a value as Python source code: a number, text, None, or a tuple, list or dictionary of these.

    Raises:
        NotALiteral: The value has another type.

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
    raise NotALiteral(f"a {kind.__name__} cannot be written as a literal")


def keywords(options: Mapping[str, Any]) -> str:
    """Return keyword arguments as they are written in a call. Names that are not identifiers go into a dictionary.

    Raises:
        NotALiteral: A value cannot be written as a literal.

    >>> keywords({"agents": 3, "my option": "a"})
    "agents=3, **{'my option': 'a'}"
    """
    plain = [f"{name}={literal(value)}" for name, value in options.items() if is_name(name)]
    odd = {name: value for name, value in options.items() if not is_name(name)}
    return ", ".join([*plain, *([f"**{literal(odd)}"] if odd else [])])


def is_name(text: Any) -> bool:
    """Return whether a text is a Python identifier and not a keyword."""
    return isinstance(text, str) and text.isidentifier() and not keyword.iskeyword(text)


def within_text(text: Any) -> str:
    r"""Return a text in a form that is safe within a docstring or a line of Markdown: on one line, and without quotes.

    >>> within_text('a"b\n```')
    "a'b\\\\n'''"
    """
    shown = re.sub(r'["`]', "'", str(text))
    return "".join(char if char.isprintable() and char != "\\" else _escaped(char) for char in shown)


def module_name(name: str, taken: frozenset[str] | set[str]) -> str:
    """Return a unique name for the module and the files of an agent.

    Args:
        name: The name of the agent.
        taken: The module names of the other agents, in lower case.
    """
    stem = re.sub(r"\W", "_", name, flags=re.ASCII)[:_LONGEST] or "agent"
    stem = f"agent_{stem}" if stem[0].isdigit() or stem.startswith("__") or keyword.iskeyword(stem) else stem
    while stem.lower() in taken:
        stem += "_"
    return stem


def _escaped(character: str) -> str:
    """Return Python's escape sequence with two backslashes, which a docstring shows as one."""
    return ascii(character)[1:-1].replace("\\\\", "\\").replace("\\", "\\\\")
