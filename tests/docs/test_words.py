"""Words with a plainer word beside them stand in no page, help text, docstring, message or comment."""

import ast
import io
import json
import re
import tokenize

import pytest

from documents import ROOT

# What is not written, and what is written in its place.
PLAIN = {
    r"foret(?:ell|old)\w*": "predict",
    r"heed\w*": "take into account, check",
    r"venues?": "environment backend",
    r"anew": "again; recreated, restarted",
    r"(?:is|are|was|were|be|being) told": "receives, is given; reports",
    r"who remembers?": "has memory, recurrent",
    r"judg(?:e|es|ed|ing|ement|ements)": "evaluate, evaluation",
    r"likeliest": "most probable",
    r"unlike (?:agents|spaces|sizes|teams)": "heterogeneous agents; different spaces",
    r"the (?:dead|living)": "inactive agents; active agents",
    r"dead agents?": "inactive agents",
    r"bit for bit": "bitwise identical",
    r"(?:in|to|by) the same bits": "bitwise identical",
    r"chang(?:es|ed|e|ing) no bits?": "does not change",
    r"so-manieth": "the number",
    r"goes by": "uses, depends on",
    r"of (?:its|their|his) own(?=[.,;:)]| (?:is|are|and|or|that|which|where|in|for|by|on|with)\b)": "its own, separate",
    r"not looked at": "not tested",
    r"at hand": "available",
    r"held against": "compared with, checked on",
    r"as it comes|as they come": "unchanged",
    r"number for number": "equal, with the tolerance",
    r"so many": "the number",
    r"likewise": "name what is the same",
    r"begun": "started",
}
BANNED = re.compile(rf"\b(?:{'|'.join(PLAIN)})\b", re.IGNORECASE)
PAGES = ["README.md", "CONTRIBUTING.md", *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("docs/**/*.md")))]
# Earlier names and those of other libraries, which these files translate.
EXEMPT = {"docs/migration.md", "src/hamlet/nearest.py"}


def prose_of_program(text):
    """The docstrings, comments and messages of a program: strings with a blank in them."""
    strings = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
    yield from (value for value in strings if isinstance(value, str) and " " in value)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def prose(path):
    """What a reader reads of a file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return "\n".join(prose_of_program(text))
    if path.suffix == ".ipynb":
        return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
    return text


def files():
    """Pages, programs and the notebook."""
    programs = [*ROOT.glob("src/**/*.py"), *ROOT.glob("docs/*.py"), *ROOT.glob("examples/*.py")]
    pages = [*(ROOT / name for name in PAGES), *ROOT.glob("docs/*.ipynb"), *ROOT.glob("src/**/*.html")]
    return sorted({*programs, *pages, ROOT / "Makefile"} - {ROOT / name for name in EXEMPT})


def banned(text):
    """Each word that is not written, with the words around it."""
    text = re.sub(r"\s+", " ", re.sub(r"``?[^`\n]+``?", "``", text))  # names in code are not prose
    return [text[max(0, found.start() - 30) : found.end() + 30] for found in BANNED.finditer(text)]


def test_words_that_have_a_plainer_one_stand_nowhere():
    found = {str(path.relative_to(ROOT)): banned(prose(path)) for path in files()}
    lines = [f"{name}: …{words}…" for name, hits in found.items() for words in hits]
    assert not lines, "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    ["What foretells returns.", "It pays no heed.", "a copy is made anew", "the run is told", "who remembers it"],
)
def test_the_words_are_found_wherever_a_reader_would_read_them(text):
    assert banned(text)
    for program in (f'"""{text}"""', f"# {text}", f'print(f"{text} {{1}}")', f"raise ValueError('{text}')"):
        assert banned("\n".join(prose_of_program(program))), program
