"""Translate the Unicode formulas of docstrings into LaTeX, which the site and code hosts draw.

Docstrings are read in a terminal too, so their formulas stay in Unicode: an indented block, ``Âₜ = δₜ + γₜ λ Âₜ₊₁``.
The pages of the algorithms and the API reference show the same formula drawn.
"""

import re
import unicodedata

SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ꜀", "0123456789+-=()aehijklmnoprstuvxc", strict=True))
SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁱⁿᵃᵇᵈᵉʰʲᵏˡᵐᵒᵖʳˢᵗᵘᵛʷˣᵀᐟ", "0123456789+-=()inabdehjklmoprstuvwxT/", strict=True))
ACCENTS = {"̄": r"\bar", "̂": r"\hat", "̃": r"\tilde", "̇": r"\dot"}
SYMBOLS = {
    "Σ": r"\sum", "∏": r"\prod", "Π": r"\prod", "∈": r"\in", "≤": r"\le", "≥": r"\ge", "≠": r"\ne", "·": r"\cdot",
    "−": "-", "×": r"\times", "∇": r"\nabla", "∞": r"\infty", "∼": r"\sim", "~": r"\sim", "∝": r"\propto",
    "‖": r"\Vert", "∥": r"\Vert", "|": r"\vert", "→": r"\to", "←": r"\leftarrow", "…": r"\dots", "½": r"\tfrac12",
    "𝔇": r"\mathfrak{D}", "𝒰": r"\mathcal{U}", "∂": r"\partial", "⊙": r"\odot", "±": r"\pm", "∪": r"\cup",
    "⌊": r"\lfloor", "⌋": r"\rfloor", "′": "'", "″": "''",
}  # fmt: skip
FUNCTIONS = {
    "max",
    "min",
    "log",
    "exp",
    "clip",
    "argmax",
    "tanh",
    "sigmoid",
    "det",
    "mean",
    "var",
    "Var",
    "KL",
    "TV",
    "ELU",
}
SCRIPT = re.compile(rf"[{''.join(SUBSCRIPTS)}]+|[{''.join(SUPERSCRIPTS)}]+")
WORD = r"(?:[A-Z]{2,}|[A-Za-z][a-z]+(?:-[a-z]+)*(?:[’']s?(?![\\w]))?)"
TOKEN = re.compile(
    rf"(?P<gap> {{2,}})|(?P<script>\*?(?:{SCRIPT.pattern})|\*)|(?P<mark>[_^])(?P<group>\{{)?|(?P<root>√)"
    rf"|(?P<words> ?{WORD}(?:,? (?:a )?{WORD})* ?)|(?P<any>.)",
    re.DOTALL,
)
# A symbol with what stands under or over it, within a sentence: i_m, Q^{i_m}; not a name such as il_pp.
INLINE = re.compile(
    r"(`[^`]*`|\$[^$]*\$)|(?<![\w./])([^\W\d_Σ∏Π][̄̂̃]?(?:[_^](?:\{(?:[^{}]|\{[^{}]*\})*\}|\w+))+)(?![\w`]|\.\w)"
)
# What makes an indented block a formula, and what makes it a command, a table or a program.
FORMULA = re.compile(r"[ΣΠ∏πρλγδτσμβε≤≥∇√∝∼‖𝔇𝒰Âᵢⱼₜₘ∂⊙′]")
PROGRAM = re.compile(r">>>|^\s*(?:hamlet|pytest|pip|python|make)\b|[`\"]", re.MULTILINE)


def is_formula(block):
    """Whether an indented block is a formula rather than a command or a program."""
    return bool(FORMULA.search(block)) and not PROGRAM.search(block)


def latex(block):
    """One display formula of a block of Unicode lines; columns of several blanks stay apart."""
    lines = [_line(line.strip()) for line in block.strip().splitlines() if line.strip()]
    if len(lines) == 1:
        return lines[0]
    return r"\begin{aligned}" + r" \\ ".join(f"&{line}" for line in lines) + r"\end{aligned}"


def drawn(text):
    """A Markdown text whose indented formulas are blocks of mathematics, and whose symbols with scripts are drawn."""
    out, block, fenced = [], [], False
    for line in [*text.split("\n"), "\0"]:
        starts = not out or out[-1].strip() == ""
        if not fenced and line.startswith("    ") and line.strip() and (block or starts):
            block.append(line)
            continue
        if block:
            whole = "\n".join(block)
            out += ["```math", latex(whole), "```"] if is_formula(whole) else block
            block = []
        fenced ^= line.lstrip().startswith(("```", "~~~"))
        out.append(line if fenced or line.startswith("    ") else INLINE.sub(_inline, line))
    return "\n".join(out[:-1])


def _inline(found):
    return found[1] or f"${_line(found[2])}$"


def _line(line):
    letters = (letter if letter in SYMBOLS else unicodedata.normalize("NFD", letter) for letter in line)
    return re.sub(r"\s+", " ", "".join(_tokens("".join(letters)))).strip()


def _tokens(line):
    position = 0
    while match := TOKEN.match(line, position):
        position = match.end()
        accent = ACCENTS.get(line[position : position + 1])
        if match["gap"]:
            yield r" \qquad "
        elif match["script"]:
            table, mark = (SUBSCRIPTS, "_") if match["script"][0] in SUBSCRIPTS else (SUPERSCRIPTS | {"*": "*"}, "^")
            yield f"{mark}{{{''.join(table[letter] for letter in match['script'])}}}"
        elif match["mark"]:
            inside, position = _script(line, position, bool(match["group"]))
            yield f"{match['mark']}{{{inside}}}"
        elif match["root"]:
            inside, position = _root(line, position)
            yield rf"\sqrt{{{inside}}}"
        elif match["words"]:
            yield _words(match["words"])
        elif accent:
            position += 1
            yield f"{accent}{{{SYMBOLS.get(match['any'], match['any'])}}}"
        else:
            yield _symbol(match["any"], line, match.start())


def _symbol(letter, line, start):
    if letter == "E" and re.match(r"E(?:[_\[]| [Σ\[A-Z])", line[start:]):
        return r"\mathbb{E}"
    if letter == "Π" and line[start + 1 : start + 2] == "(":
        return r"\Pi "  # a projection, not a product
    if letter in "{}":
        return "\\" + letter
    symbol = SYMBOLS.get(letter, letter)
    return f"{symbol} " if symbol.startswith("\\") else symbol


def _script(line, position, grouped):
    """What stands under or over: a group in braces, a word, or one letter with its accent."""
    if grouped:
        end = _closing(line, position - 1, "{}")
        return "".join(_tokens(line[position:end])), end + 1
    word = re.match(r"[A-Za-z]{2,}|\d+|.[̂̃̄]?", line[position:])
    assert word, line
    inside = rf"\text{{{word[0]}}}" if re.fullmatch(r"[A-Za-z]{2,}", word[0]) else "".join(_tokens(word[0]))
    return inside, position + word.end()


def _closing(line, position, pair):
    """Where the bracket that opens at ``position`` is closed."""
    depth = 0
    for end in range(position, len(line)):
        depth += (line[end] == pair[0]) - (line[end] == pair[1])
        if not depth:
            return end
    raise ValueError(f"a bracket is not closed in the formula: {line}")


def _root(line, position):
    """What stands under a root: the parenthesis that follows, a function and its argument, or one symbol."""
    head = re.match(r"[a-z]*", line[position:])
    start = position + (head.end() if head else 0)
    if line[start : start + 1] != "(":
        end = position + 1
        return "".join(_tokens(line[position:end])), end
    end = _closing(line, start, "()") + 1
    inside = line[position:end] if head and head[0] else line[start + 1 : end - 1]
    return "".join(_tokens(inside)), end


def _words(words):
    """Names of functions stay apart from words of a sentence."""
    first, _, rest = words.strip().partition(" ")
    if first in FUNCTIONS:
        return rf" \operatorname{{{first}}} " + (_words(f" {rest} ") if rest else "")
    return rf"\text{{{words}}}"
