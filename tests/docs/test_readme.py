"""What the README says is so."""

import json
import re
import shlex

import pytest

import documents
from documents import ROOT, blocks
from hamlet.commands import (
    catalogue,
    certify,
    check_env,
    evaluate,
    export,
    games,
    report,
    reproduce,
    request,
    resume,
    sweep,
    watch,
)
from hamlet.experiments import registry

READERS = {
    "train": request.read,
    "evaluate": evaluate.COMMAND.parse,
    "resume": resume.COMMAND.parse,
    "list": catalogue.main,
    "certify": certify.read,
    "export": export.COMMAND.parse,
    "report": report.read,
    "watch": lambda words: report.read(words, watch.COMMAND),
    "check-env": check_env.read,
    "reproduce": lambda rest: registry.find(reproduce.read(rest)[0]),
    "sweep": sweep.read,
    "games": games.read,
}
DOCUMENTS = ["README.md", "CONTRIBUTING.md", *(str(p.relative_to(ROOT)) for p in sorted((ROOT / "docs").rglob("*.md")))]


def shell_lines():
    """Every line of a document that begins with ``hamlet``, in a block or as code within the text."""
    for name in DOCUMENTS:
        text = (ROOT / name).read_text(encoding="utf-8")
        indented = re.findall(r"^(?: {4})?(hamlet \w.*)$", text, re.MULTILINE)
        inline = re.findall(rf"`(hamlet (?:{'|'.join(READERS)})\b[^`]*)`", text)
        for line in indented + inline:
            words = shlex.split(line, comments=True)
            if len(words) > 1 and words[1] in READERS and "…" not in line and "MODULE:FACTORY" not in line:
                yield pytest.param(name, words[1:], id=f"{name}: {' '.join(words)}")


@pytest.mark.parametrize(("document", "words"), list(shell_lines()))
def test_every_command_in_the_documents_is_understood(document, words, tmp_path, monkeypatch):
    command, *rest = words
    if command != "list" and all(word.startswith("--") for word in rest) and "--from" not in rest:
        return  # an option is spoken of, within a sentence
    monkeypatch.chdir(tmp_path)
    for code in blocks(document, "python"):
        if file := re.match(r"# (\w+\.py)\n", code):
            (tmp_path / file[1]).write_text(code, encoding="utf-8")
    if "--from" in rest:
        assert rest[rest.index("--from") + 1].endswith("config.json")
        return
    try:
        READERS[command](rest)
    except SystemExit as end:
        assert "--help" in rest and not end.code


def test_the_blocks_of_every_page_run_one_after_another(run, tmp_path):
    """In one process, in the order of reading, with small networks, two copies and two rollouts.

    Run are: every command of the quickstart (train, resume, evaluate, train of several seeds, report, export, and the
    exported play.py), and the Python blocks of every page. All other commands are parsed only, above. Lines of pip,
    make, pytest and python in indented blocks are not run; the tests that theory.md names are looked up below.
    """
    pytest.importorskip("mpe2")
    pytest.importorskip("onnxruntime")
    pages = [name for name in DOCUMENTS if blocks(name, "python") and name not in documents.WALKED]
    assert len(pages) >= 8
    run(ROOT / "tests/documents.py", *documents.WALKED, *pages, documents.NOTEBOOK)
    assert json.loads((tmp_path / "runs/b/config.json").read_text())["algorithm"]["drift"]["epsilon"] == 0.1
    drift = json.loads((tmp_path / "runs/total-variation/config.json").read_text())["algorithm"]["drift"]
    assert drift == {"import": "total_variation:TotalVariationDrift", "weight": 4.0}
    # Found again by another process, in another directory: the run is this user's own.
    said = run("-P", "-m", "hamlet.cli", "evaluate", tmp_path / "runs/total-variation", "--episodes", 2)
    assert "mean team return" in said
    runs = {
        "a",
        "more",
        "b",
        "total-variation",
        "matching",
        "happo-kl",
        "residual",
        "tag",
        "distinct",
        "climbing",
        "careful",
        "varied",
        "earlier",
        "counters",
        "python",
        "stopped",
        "tutorial-happo",
        "tutorial-happo-seeds",
        "tutorial-mappo-seeds",
        "tutorial-larger",
    }
    assert {path.name for path in (tmp_path / "runs").iterdir()} == runs
    assert json.loads((tmp_path / "runs/a/config.json").read_text())["steps"] == 80
    assert (tmp_path / "report/report.html").exists()
    assert run(tmp_path / "team/play.py").startswith("the team's return is -")


@pytest.mark.slow
def test_commands_from_before_run_as_they_are(run, tmp_path):
    pytest.importorskip("onnxruntime")
    run(ROOT / "tests/documents.py", *documents.EARLIER)
    assert json.loads((tmp_path / "runs/b/config.json").read_text())["algorithm"]["body"]["memory"] == 16
    assert (tmp_path / "runs/crossplay/crossplay.json").exists()


def python_files(path):
    """The file, or all files in the folder."""
    return path.rglob("*.py") if path.is_dir() else [path]


def test_the_tests_that_the_theory_names_are_there():
    lines = re.findall(r"^    pytest (.*)$", (ROOT / "docs/theory.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(lines) > 5
    for words in map(shlex.split, lines):
        files, _, terms = " ".join(words).partition(" -k ")
        texts = [path.read_text(encoding="utf-8") for name in files.split() for path in python_files(ROOT / name)]
        names = re.findall(r"^def (test_\w+)", "\n".join(texts), re.MULTILINE)
        assert names, files
        for term in terms.split(" or ") if terms else ():
            assert any(term in name for name in names), term


@pytest.mark.parametrize("name", [*DOCUMENTS, "CHANGELOG.md"])
def test_links_lead_to_files_that_are_there(name):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / name).read_text(encoding="utf-8")):
        assert ((ROOT / name).parent / target).exists(), target


def test_every_block_says_its_language():
    assert all(blocks(name, "") == [] for name in DOCUMENTS)
