"""Exported policies act as the run's policy does, in every format, and without Hamlet in its environment."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export as jax_export

import combinations
import hamlet
from hamlet import extras
from hamlet.backends.select import backend_of
from hamlet.checkpoints import checkpoint
from hamlet.cli import main
from hamlet.envs.agent_spaces import of_groups
from hamlet.errors import RequestError
from hamlet.evaluation import best_policy
from hamlet.exporting import check
from hamlet.exporting.check import module_of
from hamlet.exporting.directory import write
from hamlet.exporting.team import policies
from hamlet.networks.actors import Deterministic, Exploring, Squashed, Stochastic
from hamlet.networks.duelling import Greedy
from hamlet.networks.mixers.q_dpp import DiverseUtilities
from hamlet.networks.torso import NetworkConfig
from hamlet.networks.utility import Utilities
from hamlet.policy import Policy
from hamlet.roster import Group, Roster
from hamlet.runs import configuration, declaration
from hamlet.runs.directory import RunDirectory
from hamlet.spaces import Box, Discrete, MultiDiscrete

pytestmark = pytest.mark.usefixtures("programs_once")

INF = float("inf")
NUMBERS, WIDE = Box(-INF, INF, (6,)), Box((-2.0, 0.0, -INF), (2.0, 1.0, INF), (3,))
IMAGE, LARGE = Box(0.0, 255.0, (5, 4, 2)), Box(0.0, 255.0, (40, 36, 3))
CHOICE, CHOICES = Discrete(3), MultiDiscrete((2, 3))
UNEVEN, SINGLE, TABLE = Box((-1.0, -2.0), (1.0, 5.0), (2,)), Box(0.0, 1.0, (1,)), Box(-1.0, 1.0, (2, 2))
OPEN = Box(-INF, INF, (2,))
MEMORY, RUNNING = NetworkConfig(hidden=(16,), memory=8), NetworkConfig(hidden=(16,), normalise=True, activation="elu")
PLAIN = NetworkConfig(hidden=(16,), plain=True, activation="silu")
SQUASHED = NetworkConfig(hidden=(16,), squash=True, activation="gelu")
PLAIN_MEMORY = NetworkConfig(hidden=(16,), memory=8, plain=True, activation="leaky_relu")
FORMATS = ["numpy", "stablehlo", *(["onnx"] if importlib.util.find_spec("onnx") else [])]
DOCUMENT = {"run": "r", "algorithm": "happo", "environment": "x", "seed": 0, "step": 10, "versions": {"hamlet": "0"}}

# Actors, bodies, and for every group of unlike agents what it sees and does: every kind of each among them.
TEAMS = {
    "memory": (Stochastic(), MEMORY, [(NUMBERS, CHOICE, 2), (CHOICES, UNEVEN, 1), (IMAGE, CHOICES, 1)]),
    "running": (Stochastic(), RUNNING, [(NUMBERS, CHOICES, 1), (WIDE, TABLE, 1), (CHOICE, OPEN, 1)]),
    "squashed": (Squashed(), RUNNING, [(NUMBERS, UNEVEN, 1), (CHOICE, CHOICES, 1), (WIDE, SINGLE, 1)]),
    "deterministic": (Deterministic(), PLAIN, [(NUMBERS, UNEVEN, 2), (IMAGE, SINGLE, 1)]),
    "utilities": (
        Utilities(),
        NetworkConfig(hidden=(16,), memory=8, plain=True),
        [(NUMBERS, CHOICE, 2), (CHOICES, Discrete(2), 1)],
    ),
    "diverse": (DiverseUtilities(embedding=4), NetworkConfig(hidden=(16,), plain=True), [(NUMBERS, CHOICE, 2)]),
    "exploring": (Exploring(), MEMORY, [(NUMBERS, CHOICE, 1)]),
    "greedy": (Greedy(width=16), RUNNING, [(NUMBERS, CHOICE, 1), (CHOICES, Discrete(2), 1)]),
}


def test_every_kind_of_actor_that_the_status_table_has_is_among_them():
    assert {type(kind).__name__ for kind, *_ in TEAMS.values()} == set(combinations.EXPORTED)
    actors = {type(make().actor).__name__ for make in hamlet.algorithms.ALGORITHMS.values()}
    assert actors <= set(combinations.EXPORTED)


def moved(network, seed):
    """A network far from its first weights, which has seen something where it keeps count of that."""
    random = np.random.default_rng(seed)

    def shifted(leaf):
        # Wide layers less, or single precision itself would differ by more than 1e-5 in their sums.
        width = leaf.shape[-1] if leaf.ndim > 1 else 1
        return leaf + np.float32(0.3 / max(1.0, width / 16) ** 0.5) * random.standard_normal(leaf.shape).astype(
            np.float32
        )

    network = jax.tree.map(shifted, network)
    torso = (lambda n: n.torso) if hasattr(network, "torso") else (lambda n: n.network.torso)
    if torso(network).running is None:
        return network
    scale = random.uniform(0.5, 2.0, torso(network).running.variance.shape).astype(np.float32)
    seen = lambda n: (torso(n).running.variance, torso(n).running.weight)  # noqa: E731
    return eqx.tree_at(seen, network, (jnp.asarray(scale), jnp.float32(100.0)))


def team(kind, body, groups, sharing="none"):
    """A team of unlike agents with weights drawn at random, as training has it."""
    names = lambda g, count: tuple(f"agent_{g}_{k}" for k in range(count))  # noqa: E731
    roster = Roster(tuple(Group(names(g, count), o, a) for g, (o, a, count) in enumerate(groups)), sharing)
    actors = []
    for g, (seen, action, _) in enumerate(groups):
        units = [kind.create(jax.random.key(g), seen, action, body)] * roster.units_in(g)
        units = [moved(unit, 10 * g + k) for k, unit in enumerate(units)]
        actors.append(jax.tree.map(lambda *leaves: jnp.stack(leaves), *units))
    return roster, tuple(actors)


def seen(space, random):
    """An observation as an environment gives it."""
    if isinstance(space, Box):
        return random.integers(0, 256, space.shape).astype(np.float32) if len(space.shape) == 3 else draw(random, space)
    return random.integers(space.n if isinstance(space, Discrete) else space.sizes)


def draw(random, space):
    return 3 * random.standard_normal(space.shape)  # float64, as many environments


def available(space, random):
    """Some choices of every component, or None where there are none to take away."""
    if isinstance(space, Box):
        return None
    sizes = space.sizes if isinstance(space, MultiDiscrete) else (space.n,)
    rows = [random.random(size) < 0.5 for size in sizes]
    for row in rows:
        row[random.integers(len(row))] = True
    return np.concatenate(rows)


def in_numpy(out, entry):
    return module_of(out / entry["files"]["numpy"]).Policy().act


def in_onnx(out, entry):
    """An onnxruntime session that is given no more than it must be."""
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(out / entry["files"]["onnx"], options)
    kinds = {port["name"]: port["dtype"] for port in entry["inputs"]}
    kept, names = {}, [port["name"] for port in entry["outputs"]]

    def act(observation, mask=None):
        given = {"observation": observation} if mask is None else {"observation": observation, "available": mask}
        given = {name: np.asarray(x, kinds[name])[None] for name, x in (given | kept).items()}
        found = [array[0] for array in session.run(None, given)]
        if "next_memory" in names:
            kept["memory"] = found[names.index("next_memory")]
        return found[0]

    return act


def in_stablehlo(out, entry):
    policy = jax_export.deserialize(bytearray((out / entry["files"]["stablehlo"]).read_bytes()))
    call = jax.jit(policy.call)
    kept = {port["name"]: np.zeros(port["shape"], port["dtype"]) for port in entry["inputs"]}
    names = [port["name"] for port in entry["outputs"]]

    def act(observation, mask=None):
        everything = np.ones_like(kept["available"]) if "available" in kept else None
        kept.update({"observation": observation, "available": everything if mask is None else mask})
        found = call(*(np.asarray(kept[p["name"]], p["dtype"]) for p in entry["inputs"]))
        if "next_memory" in names:
            kept["memory"] = found[names.index("next_memory")]
        return np.asarray(found[0])

    return act


READERS = {"numpy": in_numpy, "onnx": in_onnx, "stablehlo": in_stablehlo}


def compare(out, roster, actors, body, formats, steps=9):
    """Play an episode of drawn observations, with masks in every second step, by the policy and by the files."""
    write(out, policies(roster, actors, body, of_groups(roster.groups)), DOCUMENT, formats, None)
    agents = json.loads((out / "manifest.json").read_text())["agents"]
    assert tuple(agents) == roster.names
    original, random = Policy(roster, actors, body), np.random.default_rng(5)
    readers = {(kind, name): READERS[kind](out, entry) for kind in formats for name, entry in agents.items()}
    spaces = {name: group for group in roster.groups for name in group.names}
    for step in range(steps):
        observations = {name: seen(group.observation, random) for name, group in spaces.items()}
        masks = {name: available(group.action, random) for name, group in spaces.items()}
        masks = {name: mask for name, mask in masks.items() if mask is not None and step % 2}
        wanted = original.act(observations, available=masks)
        for (kind, name), act in readers.items():
            found = act(observations[name], *([masks[name]] if name in masks else []))
            assert np.shape(found) == np.shape(wanted[name]) and spaces[name].action.contains(found), (kind, name)
            np.testing.assert_allclose(found, wanted[name], rtol=1e-5, atol=1e-5, err_msg=f"{kind} {name}")
    return agents


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if combinations.EXPORTED[type(kind).__name__] else ())
        for name, (kind, *_) in TEAMS.items()
    ],
)
def test_the_files_of_unlike_agents_act_as_the_team_does_over_an_episode_with_memory_and_masks(name, tmp_path):
    kind, body, groups = TEAMS[name]
    agents = compare(tmp_path, *team(kind, body, groups), body, [kind for kind in FORMATS if kind != "stablehlo"])
    outputs = {port["name"] for entry in agents.values() for port in entry["outputs"]}
    assert ("next_memory" in outputs) == (body.memory > 0)


def test_what_jax_reads_back_acts_as_the_policy_does(tmp_path):
    compare(tmp_path, *team(Stochastic(), MEMORY, [(NUMBERS, CHOICE, 1)]), MEMORY, ["stablehlo"])


def test_agents_that_share_their_parameters_each_have_them(tmp_path):
    agents = compare(tmp_path, *team(Stochastic(), MEMORY, [(NUMBERS, CHOICE, 2)], "group"), MEMORY, ["numpy"])
    weights = [(tmp_path / "policies" / f"{entry['file']}.npz").read_bytes() for entry in agents.values()]
    assert weights[0] == weights[1]


def test_numbers_beyond_what_is_trained_on_are_limited_by_the_policy_and_by_the_files_where_a_space_has_no_bounds(
    tmp_path,
):
    body = NetworkConfig(hidden=(16,))
    roster, actors = team(Stochastic(), body, [(NUMBERS, UNEVEN, 1)])
    formats = [kind for kind in FORMATS if kind != "stablehlo"]
    write(tmp_path, policies(roster, actors, body, of_groups(roster.groups)), DOCUMENT, formats, None)
    ((name, entry),) = json.loads((tmp_path / "manifest.json").read_text())["agents"].items()
    most = np.array([0.1, 1.0, -1e15, 1e15, 1e6, 0.0])
    limited = Policy(roster, actors, body).act({name: most})[name]
    assert np.isfinite(limited).all()
    for act in (
        lambda seen: Policy(roster, actors, body).act({name: seen})[name],
        *(READERS[kind](tmp_path, entry) for kind in formats),
    ):
        np.testing.assert_allclose(act(np.array([0.1, 1.0, -2e30, 1e30, 1e6, 0.0])), limited, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("body", [MEMORY, RUNNING, PLAIN, SQUASHED], ids=["memory", "running", "plain", "squashed"])
@pytest.mark.parametrize(
    "kind", [Stochastic(), Deterministic(), Squashed(), Greedy(width=16)], ids=lambda kind: type(kind).__name__
)
def test_every_kind_of_actor_torso_observation_and_action_in_every_format(kind, body, tmp_path):
    groups = []
    for observation in (NUMBERS, WIDE, CHOICE, CHOICES, IMAGE, LARGE):
        for action in (CHOICE, CHOICES, UNEVEN, SINGLE, TABLE, OPEN):
            try:
                kind.create(jax.random.key(0), observation, action, body)
            except hamlet.RequestError:
                continue
            groups.append((observation, action, 1))
    if not groups:
        assert (type(kind), body) == (Greedy, MEMORY)
        return
    for number, group in enumerate(groups):
        (tmp_path / str(number)).mkdir()
        compare(tmp_path / str(number), *team(kind, body, [group]), body, FORMATS)


def begun(path, algorithm, env, name):
    """A run that was never trained, without the time that takes; its best policy is said to be of step 20."""
    declared = {"algorithm": configuration.encode(algorithm), "environment": configuration.encode(env)}
    labels = {"steps": 10, "seed": 3, "algorithm_name": "happo", "environment_name": name, "preset": None}
    run = declaration.begin(path, declared | labels, print)
    training = backend_of(env).begin(algorithm)(3)
    checkpoint.save(run.checkpoints, training, step=0)
    best_policy.save(run, jax.tree.map(lambda leaf: leaf + 0.1, training.learner.team.actors), 20, -1.0)
    return path


@pytest.fixture(scope="module")
def spread(tmp_path_factory):
    """A run on discrete spread."""
    algorithm = hamlet.algorithms.happo(hidden=(16,), num_envs=2, rollout_length=10)
    env = hamlet.envs.make("mpe/simple_spread", continuous=False, agents=2, max_steps=6)
    return begun(tmp_path_factory.mktemp("runs") / "spread", algorithm, env, "mpe/simple_spread")


def played(out):
    """What `play.py` prints where neither hamlet nor jax can be imported."""
    blocked = "import runpy, sys; sys.modules['hamlet'] = sys.modules['jax'] = None; runpy.run_path('play.py')"
    path = os.pathsep.join(map(str, [out, Path(__file__).parents[1]]))  # and where the tests' environments are
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"PYTHONPATH": path}
    said = subprocess.run([sys.executable, "-c", blocked], cwd=out, env=environment, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    return said.stdout


def returned(env, policy):
    """The team's return where the run's own policy plays, as `play.py` says it."""
    (observations, infos), total = env.reset(seed=0), 0.0
    while env.agents:
        masks = {name: info["action_mask"] for name, info in infos.items() if "action_mask" in info}
        masks |= {name: seen["action_mask"] for name, seen in observations.items() if isinstance(seen, dict)}
        seen = {name: one["observation"] if isinstance(one, dict) else one for name, one in observations.items()}
        observations, rewards, _, _, infos = env.step(policy.act(seen, available=masks))
        total += sum(rewards.values())
    return f"team return: {total:.2f}\n"


@pytest.mark.parametrize("chosen", [False, True], ids=["newest", "best"])
def test_an_export_plays_in_its_environment_where_hamlet_and_jax_cannot_be_imported(chosen, spread, capsys):
    mpe = pytest.importorskip("mpe2.simple_spread_v3")
    words = ["--best", "--out", str(spread / "chosen")] if chosen else []
    out = spread / ("chosen" if chosen else "export")
    assert main(["export", str(spread), *words, "--format", "numpy"]) == 0
    assert "wrote 4 files (numpy)" in capsys.readouterr().out
    assert {path.name for path in out.iterdir()} == {"README.md", "manifest.json", "play.py", "policies"}
    program = (out / "play.py").read_text()
    assert len([line for line in program.splitlines() if line]) <= 10
    assert program in (out / "README.md").read_text()
    document = json.loads((out / "manifest.json").read_text())
    assert [document[key] for key in ("format", "seed", "step", "best")] == [2, 3, 20 if chosen else 0, chosen]
    env = mpe.parallel_env(N=2, max_cycles=6)
    assert played(out) == returned(env, hamlet.load_policy(spread, best=chosen))


def test_an_export_plays_a_factory_of_pettingzoo_with_its_masks(tmp_path):
    pytest.importorskip("pettingzoo")
    import doubles

    env = hamlet.envs.from_pettingzoo("doubles:Masked", copies=2)
    algorithm = hamlet.algorithms.happo(hidden=(16,), num_envs=2, rollout_length=10)
    run = begun(tmp_path / "run", algorithm, env, "doubles:Masked")
    out = hamlet.export(run, tmp_path / "out", formats=["numpy"])
    assert played(out) == returned(doubles.Masked(), hamlet.load_policy(run))


def test_an_export_plays_an_environment_of_a_module_of_the_users_own(tmp_path, monkeypatch):
    """The module is found where the run found it, from wherever the program is run."""
    pytest.importorskip("pettingzoo")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "my_game.py").write_text("from doubles import Masked\n\n\nclass Mine(Masked):\n    pass\n")
    monkeypatch.chdir(tmp_path / "mine")
    env = hamlet.envs.from_pettingzoo("my_game:Mine", copies=2)
    algorithm = hamlet.algorithms.happo(hidden=(16,), num_envs=2, rollout_length=10)
    run = begun(tmp_path / "run", algorithm, env, "my_game:Mine")
    out = hamlet.export(run, tmp_path / "out", formats=["numpy"])
    monkeypatch.chdir(tmp_path)
    assert played(out).startswith("team return: ")


def test_a_model_takes_any_number_of_observations_and_leaves_out_masks_and_memory(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    roster, actors = team(Stochastic(), MEMORY, [(NUMBERS, CHOICE, 1)])
    write(tmp_path, policies(roster, actors, MEMORY, of_groups(roster.groups)), DOCUMENT, ["numpy", "onnx"], None)
    session = onnxruntime.InferenceSession(tmp_path / "policies" / "agent_0_0.onnx")
    assert {one.name: one.shape[0] for one in session.get_inputs()} == {"observation": "batch"}
    batch = np.random.default_rng(0).standard_normal((5, 6)).astype(np.float32)
    action, memory, log_probs = session.run(None, {"observation": batch})
    assert (action.shape, memory.shape, log_probs.shape) == ((5,), (5, 8), (5, 3))
    alone = module_of(tmp_path / "policies" / "agent_0_0.py").Policy()
    for row, choice in zip(batch, action, strict=True):
        alone.reset()
        assert alone.act(row) == choice


def test_the_manifest_and_the_readme_say_what_every_agent_takes_and_gives(tmp_path):
    groups = [(NUMBERS, CHOICE, 1), (NUMBERS, UNEVEN, 1)]
    agents = compare(tmp_path, *team(Stochastic(), MEMORY, groups), MEMORY, ["numpy"])
    chooser, mover = agents["agent_0_0"], agents["agent_1_0"]
    ports = lambda entry, way: [(p["name"], p["dtype"], p["shape"]) for p in entry[way]]  # noqa: E731
    memory = ("memory", "float32", [8])
    assert ports(chooser, "inputs") == [("observation", "float32", [6]), ("available", "bool", [3]), memory]
    assert ports(chooser, "outputs") == [
        ("action", "int32", []),
        ("next_memory", "float32", [8]),
        ("log_probs", "float32", [3]),
    ]
    assert ports(mover, "inputs") == [("observation", "float32", [6]), memory]
    assert [name for name, *_ in ports(mover, "outputs")] == ["action", "next_memory", "mean", "std"]
    assert [p["optional"] for p in chooser["inputs"]] == [False, True, True]
    assert "−1 to 1, −2 to 5" in mover["outputs"][0]["says"]
    text = (tmp_path / "README.md").read_text()
    for port in (port for entry in (chooser, mover) for way in ("inputs", "outputs") for port in entry[way]):
        assert f"`{port['name']}` | {port['dtype']} |" in text and port["says"] in text


def test_the_numbers_of_the_distribution_are_those_of_the_actor(tmp_path):
    for (kind, body, action), names in {
        (Stochastic(), RUNNING, CHOICES): ["log_probs"],
        (Stochastic(), RUNNING, UNEVEN): ["mean", "std"],
        (Squashed(), RUNNING, UNEVEN): ["base_mean", "base_std"],
        (Deterministic(), RUNNING, UNEVEN): [],
    }.items():
        out = tmp_path / f"{type(kind).__name__}-{len(names)}-{type(action).__name__}"
        out.mkdir()
        roster, actors = team(kind, body, [(NUMBERS, action, 1)])
        write(out, policies(roster, actors, body, of_groups(roster.groups)), DOCUMENT, ["numpy"], None)
        policy = module_of(out / "policies" / "agent_0_0.py").Policy()
        observation = np.linspace(-2, 2, 6, dtype=np.float32)
        found = policy.distribution(observation)
        assert [*found] == ["action", *names]
        actor = jax.tree.map(lambda leaf: leaf[0], actors[0])
        row, start = jnp.asarray(observation)[None, None], jnp.zeros((1, 1), bool)
        wanted, _ = jax.jit(lambda actor, x, start: actor(x, None, start))(actor, row, start)
        leaves = jax.tree.leaves(wanted)
        theirs = np.concatenate([np.ravel(leaf) for leaf in leaves])
        ours = np.concatenate([found[name] for name in names or ["action"]])
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


WRONG = [
    (["export"], "RUN is missing"),
    (["export", "nothing"], "nothing does not exist"),
    (["export", "RUN", "--format", "onx"], "the nearest is 'onnx'"),
    (["export", "RUN", "--format", "numpy,pickle"], "there is no format 'pickle'"),
    (["export", "RUN", "--format", ""], "there is no format to write"),
    (["export", "RUN", "--out", "full"], "full-2"),
    (["export", "RUN", "--outt", "x"], "nearest is --out "),
]


@pytest.mark.parametrize(("argv", "said"), WRONG, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_a_wrong_request_is_refused_in_a_line_before_anything_is_written(
    argv, said, spread, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    before = sorted(tmp_path.rglob("*"))
    assert main([str(spread) if word == "RUN" else word for word in argv]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("hamlet: ") and err.count("\n") == 1 and said in err
    assert sorted(tmp_path.rglob("*")) == before


def test_without_the_package_onnx_is_refused_by_name_and_the_others_are_not(spread, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnx", None)
    advice = f"run {extras.install_line('export', 'onnx')}"
    for formats in ("onnx", "numpy,onnx", "all"):
        assert main(["export", str(spread), "--out", str(tmp_path / "a"), "--format", formats]) == 2
        assert capsys.readouterr().err == (
            f"hamlet: the format onnx needs onnx, which is not installed: {advice}, "
            "or leave it out by --format numpy,stablehlo\n"
        )
    assert not (tmp_path / "a").exists()


def test_without_the_package_onnx_the_others_are_written_unless_it_was_asked_for(spread, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert main(["export", str(spread), "--out", str(tmp_path / "a")]) == 0
    out, err = capsys.readouterr()
    assert "files (numpy, stablehlo) to" in out
    assert err.count("\n") == 1 and err.startswith("warning: ONNX files are left out: ")
    assert f"run {extras.install_line('export', 'onnx')}" in err
    endings = {path.suffix for path in (tmp_path / "a" / "policies").iterdir()}
    assert endings == {".py", ".npz", ".stablehlo"}
    with pytest.warns(UserWarning, match="ONNX files are left out"):
        assert hamlet.export(spread, tmp_path / "b").is_dir()
    with pytest.raises(RequestError, match="the format onnx needs onnx"):
        hamlet.export(spread, tmp_path / "c", formats=["onnx"])


def test_a_run_without_a_checkpoint_is_a_failure_that_leaves_nothing(tmp_path, capsys):
    algorithm = hamlet.algorithms.happo(hidden=(16,), num_envs=2, rollout_length=10)
    declared = {"algorithm": algorithm, "environment": hamlet.envs.make("mpe/simple_spread")}
    config = {name: configuration.encode(value) for name, value in declared.items()}
    RunDirectory.create(tmp_path / "run", config)
    assert main(["export", str(tmp_path / "run"), "--out", str(tmp_path / "out"), "--format", "numpy"]) == 1
    assert "no good checkpoint" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


class Ranked(eqx.Module):
    """An actor that acts by the rank of what it sees, which has no translation."""

    inner: eqx.Module

    def __call__(self, observation, memory, start, available=None):
        return self.inner(jnp.sort(observation), memory, start, available)


def test_a_primitive_without_translation_is_refused_by_name_and_goes_as_stablehlo(tmp_path):
    roster, (actor,) = team(Stochastic(), RUNNING, [(NUMBERS, CHOICE, 1)])
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with pytest.raises(hamlet.RequestError, match=r"agent_0_0 uses sort, .* nearest is --format stablehlo"):
        compare(tmp_path / "a", roster, (Ranked(actor),), RUNNING, ["numpy"])
    compare(tmp_path / "b", roster, (Ranked(actor),), RUNNING, ["stablehlo"])


def test_files_of_another_policy_are_not_handed_over(tmp_path, monkeypatch):
    from hamlet.exporting import graph

    monkeypatch.setitem(graph.OPERATIONS, "tanh", "np.sin({0})")
    roster, actors = team(Deterministic(), PLAIN, [(NUMBERS, UNEVEN, 1)])
    with pytest.raises(hamlet.RunError, match="differs from the policy of agent_0_0"):
        compare(tmp_path, roster, actors, PLAIN, ["numpy"])


def test_of_choices_a_single_tie_is_forgiven_and_two_are_another_policy():
    wanted = [(np.array(choice), np.array([2.0])) for choice in (1, 2, 3)]
    found = [(np.array(choice), np.array([2.2])) for choice in (0, 2, 3)]
    assert check._largest(found, wanted) == pytest.approx(0.1)  # of what is above 1, by share
    found[1] = (np.array(0), np.array([2.2]))
    assert check._largest(found, wanted) == float("inf")
