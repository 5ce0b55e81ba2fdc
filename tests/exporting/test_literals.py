"""Whatever names hold, exported files compile, run nothing of theirs, and give them back."""

import ast
import dataclasses
from pathlib import PurePosixPath

import numpy as np
import pytest

from hamlet.envs.conversion import SpaceKind
from hamlet.envs.pettingzoo.environment import PettingZoo
from hamlet.exporting import as_numpy, as_onnx, directory, example, readme
from hamlet.exporting.decision import ExportedAgent, Port
from hamlet.exporting.graph import Graph
from hamlet.exporting.literals import NotALiteral, keywords, literal, module_name, within_text
from hamlet.spaces import Box

CODE = "open('ran', 'w').close()"
HOSTILE = [
    f'"""\n{CODE}\n"""',
    f"'''\n{CODE}\n'''",
    f'" + {CODE} + "',
    f"' + {CODE} + '",
    f"{{{CODE}}}",
    f"\\\n{CODE}",
    f'\\"""\n{CODE}\n"""',
    f"\r{CODE}",
    f"\u2028{CODE}\u2029{CODE}\x85{CODE}\x0b{CODE}\x0c{CODE}",
    f"```\n{CODE}",
    "ends with a backslash\\",
    'ends with a quote"',
    "\\N{BULLET} \\x00 \\u2028",
    "\x00\x1a\ud800\ufeff",
    "# coding: rot13",
    "%s {0} {name} {{}}",
    "../../../etc/passwd",
    "class",
    "__init__",
    "",
    "x" * 100_000,
    "agent 0",
]


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not (tmp_path / "ran").exists()


def graph():
    nodes = Graph()
    return [nodes.input("observation", (2,), "float32")]


def ports(says):
    return [Port("observation", (2,), "float32", says)], [Port("action", (2,), "float32", says)]


def imported(path):
    """The module of a file, run."""
    space = {"__name__": "exported", "__file__": str(path)}
    exec(compile(path.read_bytes(), str(path), "exec"), space)
    return space


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name[:20]))
def test_the_files_of_an_agent_of_any_name_compile_and_run_nothing_of_it(name, somewhere):
    inputs, outputs = ports(f"seen by {name}")
    document = {"algorithm": name, "environment": name, "seed": name, "step": 10}
    title = directory._title(document)
    stem = module_name(name, {"agent_class"})
    assert stem.isidentifier() and len(stem) < 120 and stem not in ("class", "agent_class")
    seen = SpaceKind("Box", (2,), "float32", low=0.0, high=1.0)
    space = Box(0.0, 1.0, (2,))
    agent = ExportedAgent(name, seen, seen, space, space, 0)
    text, weights = as_numpy.source(agent, stem, f"Of {within_text(name)}, {title}", outputs, graph())
    path = somewhere / f"{stem}.py"
    path.write_text(text, encoding="utf-8")
    np.savez(path.with_suffix(".npz"), **weights)
    policy = imported(path)["Policy"]()
    assert policy.act(np.array([1.0, 2.0], np.float32)).tolist() == [1.0, 2.0]
    assert within_text(name).replace("\\\\", "\\") in ast.get_docstring(ast.parse(text), clean=False)

    (somewhere / "team.py").write_text(readme.team({name: stem}, title), encoding="utf-8")
    assert imported(somewhere / "team.py")["AGENTS"] == {name: stem}

    document |= {"run": name, "versions": {"hamlet": "0"}, "checked_on": 8}
    described = [{**dataclasses.asdict(port), "optional": False} for port in inputs]
    document["agents"] = {
        name: {"file": stem, "files": {"numpy": f"policies/{stem}.py"}, "inputs": described, "outputs": described}
        | {"largest_difference": {}}
    }
    page = readme.text(document, title, None)
    plain = readme.text(document | {"run": "a", "agents": {"a": document["agents"][name]}}, "t", None)
    assert len(page.splitlines()) == len(plain.splitlines())
    assert CODE not in [line.strip() for line in page.splitlines()]
    page.encode("utf-8")


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name[:20]))
def test_options_and_factories_of_any_name_stay_what_they_are(name, monkeypatch):
    options = {name: name, "inner": {name: [name, (name,), None, True, 1, 0.5, float("inf")]}}
    told = []
    exec(f"told({keywords(options)})", {"told": lambda **given: told.append(given)})
    assert told == [options] and eval(literal(options)) == options

    described = type("Described", (), {"turns": False})()
    monkeypatch.setattr(PettingZoo, "description", described, raising=False)
    env = PettingZoo.__new__(PettingZoo)
    object.__setattr__(env, "factory", "games:make")
    object.__setattr__(env, "options", tuple(options.items()))
    ast.parse(example.example(env))
    object.__setattr__(env, "factory", f"{name}:{name}")
    assert name.isidentifier() or example.example(env) is None


@pytest.mark.parametrize("value", [PurePosixPath("a"), object(), type("Text", (str,), {})("a"), {1}, np.int64(3)])
def test_what_is_no_literal_is_not_written_as_source(value):
    with pytest.raises(NotALiteral):
        literal([value])


def test_an_onnx_file_of_any_name_is_valid():
    pytest.importorskip("onnx")
    inputs, outputs = ports("")
    for name in HOSTILE:
        model = as_onnx.model(module_name(name, set()), inputs, outputs, graph())
        assert model.graph.name.isidentifier() and model.SerializeToString()


def test_the_program_that_plays_an_original_environment_is_source():
    import hamlet.envs

    text = example.example(hamlet.envs.make("mpe/simple_spread", agents=2))
    assert "simple_spread_v3.parallel_env(N=2, continuous_actions=True" in text and ast.parse(text)
