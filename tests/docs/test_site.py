"""The site is built without a broken link, and needs nothing from elsewhere."""

import ast
import re
import subprocess
import sys

import pytest

import browser
from documents import ROOT

# What a browser would fetch of its own accord when it opens a page.
FETCHED = re.compile(r"<(?:link[^>]*\shref|(?:script|img)[^>]*\ssrc)=.(?:https?:)?//|@import|url\(.?(?:https?:)?//")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site, as `make site` builds it."""
    pytest.importorskip("mkdocs")
    out = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    said = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    return out


def test_every_page_is_on_the_site_and_none_asks_the_network_for_anything(site):
    pages = sorted(site.rglob("*.html"))
    names = {page.relative_to(site).as_posix() for page in pages}
    assert {"index.html", "quickstart.html", "algorithms/happo.html", "status.html", "contributing.html"} <= names
    assert "source/src/hamlet/algorithms/happo.py.html" in names  # what pages link to outside of docs/
    for page in [*pages, *site.rglob("*.css")]:
        assert not FETCHED.search(page.read_text(encoding="utf-8")), page


@pytest.fixture(scope="module")
def page(site):
    """A browser that opens the site from files, as a reader without a network does."""
    if browser.PROGRAM is None:
        pytest.skip("there is no Chromium")
    with browser.page() as page:
        yield page
        assert page.complaints == []


@pytest.mark.parametrize("name", ["theory", "algorithms/happo"])
def test_formulas_are_drawn(site, page, name):
    page.open((site / f"{name}.html").as_uri())
    page.until("document.querySelectorAll('.katex').length > 2")
    assert page.run("document.querySelectorAll('.katex-error').length") == 0
    left = "[...document.querySelectorAll('.arithmatex')].filter(x => !x.querySelector('.katex')).length"
    assert page.run(left) == 0


@pytest.mark.parametrize(
    ("words", "title"),
    [("video", "Gallery"), ("self-play", "Glossary"), ("vectorised", "Glossary"), ("trust region", "HATRPO")],
)
def test_the_search_finds_what_a_reader_looks_for(site, page, words, title):
    page.open((site / "quickstart.html").as_uri())
    page.run("document.querySelector('[data-md-component=search-query]').focus()")
    type_in = "const q = document.activeElement; q.value = WORDS; q.dispatchEvent(new Event('input', {bubbles: true}))"
    page.run(f"(() => {{ {type_in.replace('WORDS', repr(words))}; q.dispatchEvent(new KeyboardEvent('keyup')) }})()")
    titles = "[...document.querySelectorAll('.md-search-result__item h1')].map(x => x.textContent).join('|')"
    page.until(f"({titles}).includes({title!r})")


@pytest.mark.parametrize("name", ["index", "results", "theory", "api/training"])
def test_a_page_is_no_wider_than_a_phone(site, page, name):
    page.open((site / f"{name}.html").as_uri(), width=390, height=800, phone=True)
    # Elements beyond the right edge, outside of what scrolls by itself and of what only a screen reader reads.
    cut = """[...document.querySelectorAll('article *')].filter(x => {
        const inside = x => x && (['auto', 'scroll'].includes(getComputedStyle(x).overflowX) || inside(x.parentElement))
        return x.getBoundingClientRect().right > innerWidth + 1 && !inside(x) && !x.closest('.katex-mathml')
    }).map(x => x.outerHTML.slice(0, 99))"""
    assert page.run(cut) == []
    assert page.run("document.documentElement.scrollWidth <= innerWidth")


def test_a_link_that_leads_nowhere_fails_the_build(tmp_path):
    pytest.importorskip("mkdocs")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("[nothing](nothing.md) [no place](other.md#nowhere)\n")
    (tmp_path / "docs" / "other.md").write_text("# Other\n")
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    text = re.sub(r"^(nav|hooks|extra_css|not_in_nav|exclude_docs):.*\n(?:[ ].*\n)*", "", text, flags=re.MULTILINE)
    (tmp_path / "mkdocs.yml").write_text(text)
    words = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    said = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert said.returncode == 1 and "'nothing.md'" in said.stderr and "#nowhere" in said.stderr


def test_the_messages_that_troubleshooting_explains_are_messages_of_the_code():
    """At least three fifths of the letters of each stand in stretches of ten that a string in the source has too."""
    nodes = [n for path in (ROOT / "src/hamlet").rglob("*.py") for n in ast.walk(ast.parse(path.read_text("utf-8")))]
    source = "\0".join(n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str))
    text = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    messages = [found[1] for found in re.findall(r"^\*\*(`+)(.*)\1\*\*$", text, re.MULTILINE)]
    assert len(messages) > 20
    for message in messages:
        stretches = [k for k in range(len(message) - 9) if message[k : k + 10] in source]
        known = {position for k in stretches for position in range(k, k + 10)}
        assert len(known) >= 0.6 * len(message.replace("…", "")), message
