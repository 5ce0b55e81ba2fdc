"""Pages made from docstrings are those of today's docstrings."""

import runpy
from functools import cache

from documents import ROOT

GENERATED = runpy.run_path(str(ROOT / "docs" / "generate.py"))


@cache
def made():
    return GENERATED["pages"]()


def test_the_pages_of_the_algorithms_and_their_status_are_those_that_make_docs_would_write():
    pages = made()
    others = {ROOT / "docs" / name for name in ("status.md", "value-decomposition.md", "results.md", "gallery.md")}
    assert set(pages) == {*(ROOT / "docs" / "algorithms").glob("*.md"), *others}
    for path, text in pages.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is not of today: make docs"


def test_the_readme_names_every_algorithm_with_a_link_to_its_page():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in GENERATED["factories"]():
        assert f"[`{name}`](docs/algorithms/{name}.md)" in readme


def test_every_hyperparameter_has_its_meaning_on_its_page():
    for path, text in made().items():
        assert "|  |" not in text, path
