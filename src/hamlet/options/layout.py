"""Text within the width of a terminal: paragraphs, and rows of a name and what is said of it."""

import shutil
import textwrap
from collections.abc import Iterable

# Lines are read with ease up to about so many columns, however wide the terminal is.
_WIDEST, _NARROWEST = 100, 60


def columns() -> int:
    """The width of the terminal, between 60 and 100 columns; 80 where output goes elsewhere."""
    return min(max(shutil.get_terminal_size().columns, _NARROWEST), _WIDEST)


def paragraphs(text: str) -> str:
    r"""The text with each paragraph wrapped; lines that are indented, such as examples, stay as they are.

    >>> print(paragraphs("One\ntwo.\n\nexamples:\n  hamlet list"))
    One two.
    <BLANKLINE>
    examples:
      hamlet list
    """
    lines: list[str] = []
    prose: list[str] = []
    for line in [*text.splitlines(), ""]:
        if line and not line.startswith(" "):
            prose.append(line)
            continue
        if prose:
            lines += textwrap.wrap(" ".join(prose), columns(), break_on_hyphens=False, break_long_words=False)
        lines, prose = [*lines, line], []
    return "\n".join(lines).rstrip()


def rows(pairs: Iterable[tuple[str, str]], *, indent: str = "") -> str:
    """A row for each pair: the name, and beside it the text, wrapped.

    >>> print(rows([("happo", "one after another"), ("il", "alone")], indent="  "))
      happo  one after another
      il     alone
    """
    pairs = list(pairs)
    width = max((len(name) for name, _ in pairs), default=0)
    return "\n".join(
        textwrap.fill(
            text,
            columns(),
            initial_indent=f"{indent}{name:{width}}  ",
            subsequent_indent=indent + " " * (width + 2),
            break_on_hyphens=False,
            break_long_words=False,
        )
        or f"{indent}{name}"
        for name, text in pairs
    )
