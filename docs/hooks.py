"""Add to mkdocs: pages that are outside of docs/, links to them, the notebook, and the formulas of docstrings.

Pages link to each other by their paths in the repository, so that the links also work on a code host. The site has
pages for README, CONTRIBUTING and CHANGELOG. Every other file that a page links to, such as a source file or a record,
becomes a page that shows the file. A folder becomes a page that lists its files.
"""

import json
import posixpath
import re
import sys
from pathlib import Path

from markdown.extensions import Extension
from markdown.preprocessors import Preprocessor
from mkdocs.structure.files import File

sys.path.insert(0, str(Path(__file__).parent))

import formulas

ROOT = Path(__file__).parents[1]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
LINK = re.compile(r"(\]\()(?![a-z]+:|#|/)([^)\s#]+)(#[^)\s]*)?(?=\))")
LANGUAGES = {".py": "python", ".json": "json", ".toml": "toml", ".sh": "sh"}
_origin: dict[str, str] = {}  # the repository's path of each page of the site that is not in docs/


class Docstrings(Extension):
    """A Markdown extension for docstrings: it draws indented Unicode formulas and shows examples as code."""

    def extendMarkdown(self, md):
        """Register the preprocessor, which runs before fenced blocks are parsed."""
        md.preprocessors.register(_Docstrings(md), "hamlet-docstrings", 1000)


class _Docstrings(Preprocessor):
    def run(self, lines):
        text = re.sub(r"^(>>> .*(?:\n(?!\n|```).+)*)", r"```pycon\n\1\n```", "\n".join(lines), flags=re.MULTILINE)
        return formulas.drawn(text).split("\n")


def on_config(config):
    """Use the extension for every page and for every docstring of the API reference."""
    config.markdown_extensions.append(Docstrings())
    return config


def on_files(files, config):
    """Add the pages that are not in docs/, and a page for each notebook."""
    _origin.clear()
    for path in sorted((ROOT / "docs").glob("*.ipynb")):
        uri = f"{path.stem}.md"
        _origin[uri] = f"docs/{path.name}"
        files.append(File.generated(config, uri, content=_content(_origin[uri])))
    names = [file.src_uri for file in files.documentation_pages()]
    sought = [_origin.get(name, posixpath.join("docs", name)) for name in names] + list(PAGES)
    while sought:
        name = sought.pop()
        if not name.startswith("docs/"):
            uri = _place(name)
            _origin[uri] = name
            files.append(File.generated(config, uri, content=_content(name)))
        if name.endswith(".md") or (ROOT / name).is_dir():
            text = _content(name)
            targets = [_target(name, found[2]) for found in LINK.finditer(text)]
            known = {*_origin.values(), *sought}
            sought += [t for t in dict.fromkeys(targets) if t and not t.startswith("docs/") and t not in known]
    return files


def on_page_markdown(markdown, page, config, files):
    """Replace links to files of the repository by links to their pages on the site."""
    here = page.file.src_uri
    if here.startswith("source/"):
        page.meta["search"] = {"exclude": True}  # the site's search finds only pages, not source files
    name = _origin.get(here, posixpath.join("docs", here))

    def rewritten(found):
        target = _target(name, found[2])
        if target is None:
            return found[0]  # mkdocs reports the broken link
        return f"{found[1]}{posixpath.relpath(_place(target), posixpath.dirname(here) or '.')}{found[3] or ''}"

    return LINK.sub(rewritten, markdown)


def _target(name, link):
    """Return the file or folder of the repository that a link leads to; None if there is none."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(name), link))
    if path.startswith("..") or not (ROOT / path).exists():
        return None
    return posixpath.join(path, "README.md") if (ROOT / path / "README.md").exists() else path


def _place(name):
    """Return the path on the site of a file of the repository."""
    if name.startswith("docs/"):
        return re.sub(r"\.ipynb$", ".md", name.removeprefix("docs/"))
    return PAGES.get(name) or (f"source/{name}/index.md" if (ROOT / name).is_dir() else f"source/{name}.md")


def _content(name):
    """Return a file or folder of the repository as a Markdown page."""
    path = ROOT / name
    if name.endswith(".md"):
        return path.read_text(encoding="utf-8")
    if path.is_dir():
        inside = [file.name for file in sorted(path.iterdir()) if file.is_file() and file.suffix in LANGUAGES]
        return f"# {name}\n\n" + "\n".join(f"* [{one}]({posixpath.basename(name)}/{one})" for one in inside) + "\n"
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        return notebook(json.loads(text))
    return f"# {name}\n\n~~~~{LANGUAGES.get(path.suffix, 'text')}\n{text}\n~~~~\n"


def notebook(cells):
    """Return a notebook as Markdown: its text, its code, and the text and figures that the code printed."""
    parts = []
    for cell in cells["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            image = next((kind for kind in data if kind in ("image/png", "image/gif")), None)
            if image:
                parts.append(f"![output](data:{image};base64,{data[image].replace(chr(10), '')})")
            elif "text/html" in data and "<img" in "".join(data["text/html"]):
                parts.append("".join(data["text/html"]))
            else:
                printed = "".join(output.get("text") or data.get("text/plain") or ())
                parts.append(f"```text\n{printed.rstrip()}\n```")
    return "\n\n".join(parts) + "\n"
