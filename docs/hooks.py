"""What mkdocs does not do by itself: pages that lie outside of docs/, and links to them.

Documents link to each other as files of the repository, so that a code host shows them as they are. On the site README,
CONTRIBUTING and CHANGELOG are pages; any other file that a page links to, such as a source or a record, becomes a page
that shows it, and a folder one that lists what is in it.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
LINK = re.compile(r"(\]\()(?![a-z]+:|#|/)([^)\s#]+)(#[^)\s]*)?(?=\))")
LANGUAGES = {".py": "python", ".json": "json", ".toml": "toml", ".sh": "sh"}
_origin: dict[str, str] = {}  # where in the repository a page of the site comes from, where that is not docs/


def on_files(files, config):
    """Add the pages that docs/ has not."""
    _origin.clear()
    sought = [posixpath.join("docs", file.src_uri) for file in files.documentation_pages()] + list(PAGES)
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
    """Links to files of the repository become links to their pages."""
    here = page.file.src_uri
    name = _origin.get(here, posixpath.join("docs", here))

    def rewritten(found):
        target = _target(name, found[2])
        if target is None:
            return found[0]  # mkdocs says that it is broken
        return f"{found[1]}{posixpath.relpath(_place(target), posixpath.dirname(here) or '.')}{found[3] or ''}"

    return LINK.sub(rewritten, markdown)


def _target(name, link):
    """The file or folder of the repository that a link in a document leads to; None where there is none."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(name), link))
    if path.startswith("..") or not (ROOT / path).exists():
        return None
    return posixpath.join(path, "README.md") if (ROOT / path / "README.md").exists() else path


def _place(name):
    """Where on the site a file of the repository is."""
    if name.startswith("docs/"):
        return name.removeprefix("docs/")
    return PAGES.get(name) or (f"source/{name}/index.md" if (ROOT / name).is_dir() else f"source/{name}.md")


def _content(name):
    """A file as a page of the site."""
    path = ROOT / name
    if name.endswith(".md"):
        return path.read_text(encoding="utf-8")
    if path.is_dir():
        inside = [file.name for file in sorted(path.iterdir()) if file.is_file() and file.suffix in LANGUAGES]
        return f"# {name}\n\n" + "\n".join(f"* [{one}]({posixpath.basename(name)}/{one})" for one in inside) + "\n"
    text = path.read_text(encoding="utf-8")
    return f"# {name}\n\n~~~~{LANGUAGES.get(path.suffix, 'text')}\n{text}\n~~~~\n"
