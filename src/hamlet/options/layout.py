"""Text wrapped to the width of a terminal: paragraphs, and rows of a name and its description."""

import shutil
import textwrap
from collections.abc import Iterable

# Longer lines than 100 columns are hard to read, even on a wider terminal.
_WIDEST, _NARROWEST = 100, 60


def columns() -> int:
    """Return the width of the terminal, limited to 60 to 100 columns; 80 if the output is not a terminal."""
    return min(max(shutil.get_terminal_size().columns, _NARROWEST), _WIDEST)


def paragraphs(text: str) -> str:
    r"""Wrap each paragraph of a text; indented lines, such as examples, stay unchanged.

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
    """Return a row for each pair: the name, and the wrapped text in a second column.

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
