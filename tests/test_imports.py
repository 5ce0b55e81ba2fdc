"""The house: who may import whom, and how large a room may be."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "hamlet"
FILES = sorted(SOURCE.rglob("*.py"))
# Modules and packages as they are imported, without the leading ``hamlet.``.
NAMES = {".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES}

_CORE = {"types", "errors", "nearest", "extras", "machine", "spaces", "field_types", "arguments"}
_DISTRIBUTIONS = _CORE | {"streams", "roster", "distributions"}
_NETWORKS = _DISTRIBUTIONS | {"networks"}
_ESTIMATION = _NETWORKS | {"envs.base", "estimation"}  # envs.base: the contract, View above all
_GAMES = _DISTRIBUTIONS | {"games"}
_HAML = _ESTIMATION | _GAMES | {"haml"}
_LEARNERS = _HAML | {"buffers", "learners"}
_ALGORITHMS = _LEARNERS | {"hyperparameters", "algorithms", "envs.factories", "envs.conversion"}
_ROLLOUTS = _ESTIMATION | {"envs", "rollouts"}
_BACKENDS = _LEARNERS | _ROLLOUTS | {"backends"}
_RUNS = _BACKENDS | {"files", "runs", "__version__"}
_CHECKPOINTS = _RUNS | {"checkpoints"}
_EVALUATION = _CHECKPOINTS | {"evaluation"}
_TRAINING = _EVALUATION | _ALGORITHMS | {"presets", "training"}
# What each part may import, itself included.
ALLOWED = {
    "types": {"types"},
    "nearest": {"nearest"},
    "errors": {"errors", "nearest"},
    "extras": {"errors", "extras"},
    "machine": {"machine"},
    "field_types": {"field_types"},
    "arguments": {"arguments", "field_types", "errors"},
    "spaces": _CORE,
    "streams": _CORE | {"streams"},
    "roster": _CORE | {"streams", "roster"},
    "distributions": _DISTRIBUTIONS,
    "networks": _NETWORKS,
    "estimation": _ESTIMATION,
    "games": _GAMES,
    "haml": _HAML,
    "testing": _HAML | {"tabular", "testing", "envs"},
    "buffers": _ESTIMATION | {"buffers"},
    "learners": _LEARNERS,
    "hyperparameters": _LEARNERS | {"hyperparameters"},
    "algorithms": _ALGORITHMS,
    "tabular": _HAML | {"tabular"},
    "presets": _ALGORITHMS | {"presets"},
    "envs": _DISTRIBUTIONS | {"envs"},
    "files": {"errors", "nearest", "files"},
    "rollouts": _ROLLOUTS,
    "backends": _BACKENDS,
    "runs": _RUNS,
    "checkpoints": _CHECKPOINTS,
    "evaluation": _EVALUATION,
    "training": _TRAINING,
    "policy": _TRAINING | {"policy"},
}
# Above everything: they may import what they like, and nothing imports them.
TOP = {
    *("__init__", "__main__", "api", "bench", "cli", "commands", "completion", "experiments"),
    *("exporting", "options", "outcomes", "reports", "video"),
}


def part(path):
    """The part of the house that a file belongs to."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(text, package=()):
    """Every hamlet module that a source imports, without the leading ``hamlet.``."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (name.name.removeprefix("hamlet.") for name in node.names if name.name.startswith("hamlet."))
            if any(name.name == "hamlet" for name in node.names):
                yield "__version__"  # the package itself: for its version
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            module = node.module or ""
            if module == "hamlet":
                yield from (name.name for name in node.names)
            elif module.startswith("hamlet."):
                yield module.removeprefix("hamlet.")


def permitted(owner, module):
    """Whether a part of the house may import a module."""
    if owner in TOP:
        return True
    return any(module == name or module.startswith(name + ".") for name in ALLOWED[owner])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_imports_point_one_way(path):
    owner = part(path)
    assert owner in TOP or owner in ALLOWED, f"{owner} is a new part: say in this test what it may import"
    wrong = [module for module in imports(path.read_text(encoding="utf-8")) if not permitted(owner, module)]
    assert not wrong, f"{owner} must not import {', '.join(wrong)}"


def test_an_import_against_the_direction_is_seen():
    for owner, line in [
        ("networks", "from hamlet.haml import drift"),
        ("haml", "import hamlet.algorithms.happo"),
        ("envs", "def f():\n    from hamlet import training"),
        ("estimation", "from hamlet.envs.copies import step"),
    ]:
        assert not all(permitted(owner, module) for module in imports(line))
    assert all(permitted("estimation", module) for module in imports("from hamlet.envs.base import View"))


def test_no_module_imports_itself_through_others():
    """Also not late, within a function: the order in which modules are read decides nothing."""
    graph = {name: {*targets(path.read_text(encoding="utf-8"))} & NAMES.keys() - {name} for name, path in NAMES.items()}
    assert graph["training.run"] > {"training.execution", "runs.directory"}
    with pytest.raises(CycleError):
        TopologicalSorter(graph | {"files.json_file": {"training.run"}}).prepare()
    TopologicalSorter(graph).prepare()


def targets(text):
    """Every module or package that a source may import, whether by itself or a name out of it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hamlet."):
            module = node.module.removeprefix("hamlet.")
            inner = {name.name for name in node.names if f"{module}.{name.name}" in NAMES}
            yield from (f"{module}.{name}" for name in inner)
            yield from [module] if len(inner) < len(node.names) else []


def test_a_folder_is_taken_in_at_a_glance():
    """At most about a dozen files; each, and the folder itself, begins by saying what it is for."""
    for folder in {path.parent for path in FILES} - {SOURCE, SOURCE / "algorithms"}:
        files = [path for path in FILES if path.parent == folder and path.name != "__init__.py"]
        assert len(files) <= 14, f"{folder.name} has {len(files)} files"
    for path in FILES:
        first = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]
        assert first.endswith((".", ":", ".)")) and len(first) > 8, path


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_files_and_functions_are_short_and_named_for_what_they_hold(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    assert path.stem not in {"utils", "util", "common", "helpers", "misc"}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert code_lines(node) <= 60, f"{node.name} has {code_lines(node)} lines of code"


def code_lines(function):
    """Lines from the body's first statement that is no docstring to the last."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_names_say_what_they_hold(path):
    """Words that hold anything: found, made, told."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        name = getattr(node, "id", getattr(node, "arg", getattr(node, "name", None)))
        assert name not in {"found", "made", "told"}, f"line {node.lineno}"


def test_no_two_classes_have_one_name():
    places = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(path.relative_to(SOURCE).as_posix())
    assert not {name: files for name, files in places.items() if len(files) > 1}
