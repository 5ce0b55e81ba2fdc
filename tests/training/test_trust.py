"""Nothing read from a file runs code: every way that was found, and that we could think of, tried."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import doubles
import hamlet
from hamlet.cli import COMMANDS, main
from hamlet.commands import request
from hamlet.envs.factories import user_modules
from hamlet.envs.factories.known import Factories
from hamlet.envs.pettingzoo.environment import PettingZoo, from_pettingzoo
from hamlet.errors import RequestError, RunError
from hamlet.evaluation import evaluation_log
from hamlet.reports import record_frames
from hamlet.reports.data import run_data
from hamlet.runs import configuration, declaration, trust
from hamlet.training.run import SavedRun

VERSION_0 = json.loads((Path(__file__).parent / "version_0.json").read_text(encoding="utf-8"))
# Leaves a file where it is imported, called or unpickled.
PAYLOAD = """
from dataclasses import dataclass
from pathlib import Path

Path({marker!r}).touch()


@dataclass(frozen=True)
class Drift:
    weight: float = 1.0

    def __call__(self, ratio, corrected, old, new):
        return self.weight * (ratio - 1.0) ** 2


def make(**options):
    raise RuntimeError("made")
"""
SPREAD_3 = "mpe2.simple_spread_v3:parallel_env"
SPREAD = {"type": "simple_spread", "agents": 2, "max_steps": 5}


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """A user who has begun nothing, and a process that knows of no module of his."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(trust, "_BEGUN", {})
    monkeypatch.setattr(user_modules, "_DIRECTORIES", {})
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path / "state"
    for name in ("payload", "chi_square"):
        sys.modules.pop(name, None)


@pytest.fixture
def prompt():
    """Whatever hangs is a failure."""

    def late(number, frame):
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(300)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def marker(tmp_path):
    return tmp_path / "code-has-run"


def happo(**changes):
    return configuration.encode(hamlet.algorithms.happo(hidden=(8,), num_envs=2)) | changes


def config(**changes):
    """That of a run on a small spread."""
    plain = {"seed": 0, "steps": 10, "checkpoint_every": None, "init_from": None}
    named = {"algorithm_name": "happo", "environment_name": "mpe/simple_spread", "preset": None}
    return {"version": 1, "algorithm": happo(), "environment": SPREAD} | plain | named | changes


def factory(place, options=(), *, version=1, agents=2):
    """A PettingZoo environment as a file names it."""
    told = VERSION_0["environments"]["mpe2.simple_spread_v3:parallel_env"]
    data = told | {"factory": place, "options": [list(pair) for pair in options]}
    return data if version == 0 else configuration.upgraded({"environment": data})["environment"] | {"factory": place}


def stranger(path, text, marker):
    """A run that came from elsewhere, with a module beside its config.json."""
    path.mkdir(parents=True)
    (path / "config.json").write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
    (path / "payload.py").write_text(PAYLOAD.format(marker=str(marker)))
    return path


DRIFT = {"import": "payload:Drift", "weight": 1.0}


def hostile(marker):
    """By kind, the text of a config.json that shall run no code, and what is said of it."""
    touch = f"touch {marker}"
    spread = VERSION_0["environments"]["mpe/simple_spread"]
    old = {"algorithm": VERSION_0["algorithms"]["happo"], "environment": spread}
    return {
        "a drift of a module in the directory": (config(algorithm=happo(drift=DRIFT)), "payload:Drift"),
        "the same in version 0": (
            old | {"algorithm": old["algorithm"] | {"drift": {"type": "payload:Drift", "weight": 1.0}}},
            "payload:Drift",
        ),
        "an environment of a module in the directory": (
            config(environment={"import": "payload:Drift"}),
            "payload:Drift",
        ),
        "a factory of a module in the directory": (
            config(environment=factory({"import": "payload:make"})),
            "payload:make",
        ),
        "a factory that is not marked as one's own": (config(environment=factory("payload:make")), "is unknown"),
        "a shell command as a factory": (
            config(environment=factory({"import": "subprocess:check_output"}, [("args", touch), ("shell", True)])),
            "subprocess:check_output",
        ),
        "a shell command as a factory in version 0": (
            old | {"environment": factory("subprocess:check_output", [("args", touch), ("shell", True)], version=0)},
            "subprocess:check_output",
        ),
        "a shell command as a known factory": (
            config(environment=factory("subprocess:check_output", [("args", touch), ("shell", True)])),
            "is unknown",
        ),
        "a function of a known package that is none of its environments": (
            config(environment=factory("pettingzoo.utils.conversions:parallel_wrapper_fn")),
            "is unknown",
        ),
        "a part by Hamlet's own module": (
            config(algorithm=happo(drift={"type": "hamlet.haml.drift:ClipDrift", "epsilon": 0.2})),
            "not installed or does not declare",
        ),
        "a class of Hamlet that is no part": (
            config(algorithm=happo(drift={"import": "hamlet.cli:COMMANDS"})),
            "hamlet.cli:COMMANDS",
        ),
        "a builtin as a part": (config(algorithm=happo(drift={"type": "eval"})), "there is no part 'eval'"),
        "both kinds of names": (config(algorithm=happo(drift={"type": "clip_drift"} | DRIFT)), "payload:Drift"),
        "a name with quotes": (
            config(algorithm=happo(drift={"import": f"payload:Drift'); __import__('os').system('{touch}') #"})),
            "code that is not part of Hamlet",
        ),
        "a name that colours the terminal": (
            config(algorithm=happo(drift={"import": "payload\x1b]0;owned\x07:Drift"})),
            r"x1b]0;owned",
        ),
        "code deep within options": (
            config(environment=factory("mpe2.simple_spread_v3:parallel_env", [("N", DRIFT)])),
            "payload:Drift",
        ),
        "a known factory told to open a file": (
            config(environment=factory("pettingzoo.atari.pong_v3:parallel_env", [("auto_rom_install_path", "x")])),
            "is unknown",
        ),
        "objects in shared memory": (
            config(environment=json.loads(json.dumps(factory(SPREAD_3)).replace('"float32"', '"object"'))),
            "described_space refuses its fields",
        ),
        "arrays of a type that is none": (
            config(environment=json.loads(json.dumps(factory(SPREAD_3)).replace('"float32"', '"evil"'))),
            "described_space refuses its fields",
        ),
        "a very deep nest": ('{"algorithm": ' + "[" * 10**5 + "]" * 10**5 + "}", "nests more than"),
        "a deep nest of parts": (
            json.dumps(config(algorithm=0)).replace(
                '"algorithm": 0', '"algorithm": ' + '{"type": "sum_drift", "parts": [' * 500 + "]}" * 500
            ),
            "nests more than",
        ),
        "NaN": (json.dumps(config(steps=float("nan"))), "contains NaN"),
        "infinity": (json.dumps(config(seed=float("inf"))), "contains Infinity"),
        "a huge whole number": (config(steps=10**400), "more than 64 bits"),
        "steps that are a word": (
            config(steps="10"),
            "steps in config.json must be a whole number, at least 1, got '10'",
        ),
        "a seed that is a list": (config(seed=[0]), "seed in config.json must be a whole number, got [0]"),
        "an evaluation that is a word": (
            config(evaluation="x"),
            "evaluation in config.json must be an object, got 'x'",
        ),
        "an evaluation without its entries": (
            config(evaluation={"every": 1}),
            "'evaluation' in config.json lacks the entry",
        ),
        "an algorithm that is a number": (config(algorithm=3), "the algorithm in config.json is a int"),
        "an algorithm that is a drift": (
            config(algorithm={"type": "zero_drift"}),
            "is a ZeroDrift, which is not an algorithm",
        ),
        "an environment that is an algorithm": (config(environment=happo()), "is a Haml, which is not an environment"),
        "hidden units that are words": (
            config(algorithm=happo(body={"type": "network", "hidden": ["8"]})),
            "network.hidden must be a list",
        ),
        "no configuration": ("[1, 2]", "it does not contain a configuration"),
        "another version": (config(version=2), "it has version 2, but this Hamlet reads versions 0 to 1"),
        "a version that is none": (config(version=True), "it has version True"),
        "a truncated file": (json.dumps(config())[:-40], "cannot be read"),
        "an empty file": ("", "cannot be read"),
        "a key twice": (json.dumps(config())[:-1] + ', "seed": 1}', "has the key 'seed' twice"),
        "nothing in it": ("{}", "config.json lacks 'algorithm'"),
    }


KINDS = list(hostile("marker"))


@pytest.mark.usefixtures("prompt")
@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_config_is_one_line_and_runs_no_code(kind, tmp_path, monkeypatch, capsys, marker):
    text, message = hostile(marker)[kind]
    run = stranger(tmp_path / "run", text, marker)
    monkeypatch.chdir(run)
    assert main(["evaluate", "."]) in (1, 2)
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("hamlet: ") and err.count("\n") == 1 and len(err) < 700
    assert message in err and "\x1b" not in err
    assert not marker.exists() and "payload" not in sys.modules


@pytest.mark.usefixtures("prompt")
@pytest.mark.parametrize("name", ["config.json", "evaluation.json"])
@pytest.mark.parametrize("kind", ["/dev/zero", "a pipe", "a link that leads out", "a directory"])
def test_what_is_no_plain_file_of_the_run_is_refused_at_once(kind, name, tmp_path, capsys, marker):
    run = stranger(tmp_path / "run", config(), marker)
    (run / name).unlink(missing_ok=True)
    if kind == "a pipe":
        os.mkfifo(run / name)
    elif kind == "a directory":
        (run / name).mkdir()
    else:
        (tmp_path / "secret.json").write_text(json.dumps(config()))
        (run / name).symlink_to("/dev/zero" if kind == "/dev/zero" else "../secret.json")
    if name == "config.json":
        assert main(["evaluate", str(run)]) in (1, 2)
        assert capsys.readouterr().err.count("\n") == 1
        assert main(["train", "--from", str(run / name), "--out", str(tmp_path / "again")]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    else:
        with pytest.raises(RunError, match=r"evaluation\.json cannot be read"):
            evaluation_log.points(declaration.RunDirectory(run))


@pytest.mark.parametrize("name", ["lock", "checkpoints", "best", "replay", "metrics.sqlite", "wandb-id"])
def test_a_link_of_a_run_leads_nobody_to_files_outside_of_it(name, tmp_path, capsys, marker):
    """The lock was truncated and written, checkpoints removed, wherever such links led."""
    run = stranger(tmp_path / "run", config(), marker)
    (tmp_path / "precious").write_text("mine")
    (run / name).symlink_to(tmp_path / "precious")
    assert main(["resume", str(run)]) == 2
    assert f"{name}: it is a link that leads out" in capsys.readouterr().err
    if name == "lock":
        with pytest.raises(RunError, match="lock cannot be opened"), declaration.RunDirectory(run).lock():
            pass
    assert (tmp_path / "precious").read_text() == "mine"


@pytest.mark.usefixtures("prompt")
@pytest.mark.parametrize("name", ["lock", "metrics.sqlite", "wandb-id"])
def test_a_pipe_in_the_place_of_a_file_is_refused_before_anything_waits_for_it(name, tmp_path, capsys, marker):
    run = stranger(tmp_path / "run", config(), marker)
    os.mkfifo(run / name)
    assert main(["resume", str(run)]) == 2
    assert f"{name}: it is neither a file nor a directory" in capsys.readouterr().err


def spoken(words, run, out):
    return [word.replace("RUN", str(run)).replace("OUT", str(out)) for word in words.split()]


USES = [
    "evaluate RUN",
    "resume RUN --steps 20",
    "export RUN --out OUT --format numpy",
    "crossplay RUN RUN2 --out OUT",
    "train --from RUN/config.json --out OUT",
    "train happo mpe/simple_spread --init-from RUN --steps 10 --out OUT",
]


@pytest.mark.parametrize("words", USES)
def test_every_command_asks_for_trust_and_changes_nothing_without_it(words, tmp_path, capsys, marker, monkeypatch):
    run = stranger(tmp_path / "run", config(algorithm=happo(drift=DRIFT)), marker)
    shutil.copytree(run, tmp_path / "run2")
    monkeypatch.chdir(run)
    before = sorted(tmp_path.rglob("*"))
    assert main(spoken(words, run, tmp_path / "out")) == 2
    err = capsys.readouterr().err
    assert "would execute code that is not part of Hamlet (payload:Drift), and you did not start this run: check" in err
    assert "--trust (in Python trust=True)" in err and err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before and not marker.exists()


def test_every_command_that_takes_runs_has_the_option(capsys):
    taking = [name for name in COMMANDS if name not in ("bench", "games", "list", "check-env", "certify", "reproduce")]
    taking.remove("completion")
    taking.remove("sweep")  # whose trials are words for train
    for name in taking:
        assert main([name, "--help"]) == 0
        assert "--trust" in capsys.readouterr().out, f"hamlet {name} reads runs without --trust"


@pytest.mark.parametrize(
    "use",
    [
        hamlet.evaluate,
        hamlet.load_policy,
        hamlet.resume,
        hamlet.export,
        lambda run: hamlet.train("happo", "mpe/simple_spread", steps=10, init_from=run, out=f"{run}-b", quiet=True),
    ],
    ids=["evaluate", "load_policy", "resume", "export", "train"],
)
def test_every_use_from_python_asks_for_trust(use, tmp_path, marker):
    run = stranger(tmp_path / "run", config(environment=factory({"import": "payload:make"})), marker)
    with pytest.raises(RequestError, match="payload:make\\), and you did not start this run"):
        use(run)
    assert not marker.exists()


def test_a_report_goes_on_without_the_agents_of_a_run_that_is_not_trusted(tmp_path, marker):
    run = stranger(tmp_path / "run", config(algorithm=happo(drift=DRIFT)), marker)
    shown = record_frames.record(run_data.read(run))
    assert shown["step"] == 0 and "would execute code that is not part of Hamlet (payload:Drift)" in shown["note"]
    for damaged in ("x", [1], {"mode": ["stochastic"]}):
        (run / "config.json").write_text(json.dumps(config(evaluation=damaged)))
        assert "the agents cannot be shown" in record_frames.record(run_data.read(run))["note"]
    assert not marker.exists()


def test_trust_runs_the_code_with_modules_found_where_one_stands(tmp_path, monkeypatch, marker):
    run = stranger(tmp_path / "run", config(algorithm=happo(drift=DRIFT)), marker)
    with pytest.raises(RequestError, match="No module named 'payload'"):
        _ = SavedRun(run, trust=True).algorithm
    monkeypatch.chdir(run)
    assert SavedRun(run, trust=True).algorithm.drift(3.0, None, None, None) == 4.0
    assert marker.exists()
    with pytest.raises(RequestError, match="you did not start this run"):  # in each call anew
        _ = SavedRun(run).algorithm


def begun(tmp_path, monkeypatch, marker):
    """A run of one's own, with a drift from a directory of one's own."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "chi_square.py").write_text(PAYLOAD.format(marker=str(marker)))
    monkeypatch.syspath_prepend(code)
    import chi_square  # pyright: ignore

    algorithm = hamlet.replace(hamlet.algorithms.happo(hidden=(8,), num_envs=2), drift=chi_square.Drift(2.0))
    said = []
    declaration.begin(tmp_path / "run", config(algorithm=configuration.encode(algorithm)), said.append)
    return tmp_path / "run", code, said


READ = """
import sys
from pathlib import Path
from hamlet.training.run import SavedRun
for run in sys.argv[1:]:
    try:
        print(SavedRun(Path(run)).algorithm.drift)
    except ValueError as error:
        print("refused:", error)
"""


def elsewhere(*runs, cwd):
    """What another process, whose search path has nothing of the user's, makes of runs."""
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(Path(hamlet.__file__).parents[1])}
    words = [sys.executable, "-P", "-c", READ, *map(str, runs)]
    said = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    return said.stdout.splitlines()


def test_a_run_of_ones_own_is_read_in_another_process_and_directory_though_it_was_moved(tmp_path, monkeypatch, marker):
    run, _, said = begun(tmp_path, monkeypatch, marker)
    assert said == []
    moved = run.rename(tmp_path / "moved")
    (moved / "chi_square.py").write_text("raise SystemExit('the module of the run')")
    edited = shutil.copytree(moved, tmp_path / "edited")
    (edited / "config.json").write_text((moved / "config.json").read_text().replace("2.0", "3.0"))
    read, refused = elsewhere(moved, edited, cwd=moved)
    assert read == "Drift(weight=2.0)"
    assert refused.startswith("refused: ") and "you did not start this run" in refused


def test_what_is_kept_is_one_small_private_file_for_each_config(tmp_path, monkeypatch, marker, state):
    run, code, _ = begun(tmp_path, monkeypatch, marker)
    [file] = [path for path in state.rglob("*") if path.is_file()]
    assert file.stem == trust.digest((run / "config.json").read_bytes())
    assert json.loads(file.read_text()) == {"version": 1, "modules": {"chi_square": str(code)}}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {stat.S_IMODE(path.stat().st_mode) for path in (file.parent, file.parent.parent)} == {0o700}
    declaration.begin(tmp_path / "plain", config(), pytest.fail)
    assert [path for path in state.rglob("*") if path.is_file()] == [file]


@pytest.mark.parametrize("place", ["runs", ".", "file"])
def test_what_others_could_have_written_is_not_relied_on(tmp_path, monkeypatch, marker, state, place):
    run, _, _ = begun(tmp_path, monkeypatch, marker)
    monkeypatch.setattr(trust, "_BEGUN", {})
    assert SavedRun(run).algorithm.drift.weight == 2.0
    home = state / "hamlet"
    changed = {"runs": home / "runs", ".": home, "file": next((home / "runs").iterdir())}[place]
    changed.chmod(0o777)
    with pytest.raises(
        RequestError, match=r"you did not start this run as far as Hamlet can know \(other users can write "
    ):
        _ = SavedRun(run).algorithm
    changed.chmod(0o700)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(RequestError, match="belongs to another user"):
        _ = SavedRun(run).algorithm


def test_where_nothing_can_be_kept_runs_are_begun_all_the_same_and_it_is_said(tmp_path, monkeypatch, marker, state):
    state.parent.mkdir(exist_ok=True)
    state.write_text("a file in the way")
    run, _, said = begun(tmp_path, monkeypatch, marker)
    assert len(said) == 1 and "later commands need --trust" in said[0] and "\n" not in said[0]
    assert SavedRun(run).algorithm.drift.weight == 2.0  # within the process
    monkeypatch.setattr(trust, "_BEGUN", {})
    with pytest.raises(RequestError, match="you did not start this run"):
        _ = SavedRun(run).algorithm
    assert SavedRun(run, trust=True).algorithm.drift.weight == 2.0


def test_a_run_rewritten_by_its_owner_stays_his_own_and_one_that_he_adopts_becomes_it(tmp_path, monkeypatch, marker):
    run, _, _ = begun(tmp_path, monkeypatch, marker)
    directory = declaration.RunDirectory.open(run)
    declaration.rewrite(directory, directory.config() | {"steps": 20}, pytest.fail)
    monkeypatch.setattr(trust, "_BEGUN", {})
    assert SavedRun(run).algorithm.drift.weight == 2.0
    (run / "config.json").write_text((run / "config.json").read_text().replace("2.0", "3.0"))
    with pytest.raises(RequestError):
        _ = SavedRun(run).algorithm
    declaration.adopt(directory, pytest.fail)
    monkeypatch.setattr(trust, "_BEGUN", {})
    assert SavedRun(run).algorithm.drift.weight == 3.0


def test_a_digest_kept_by_hand_opens_nothing_but_the_file_of_that_digest(tmp_path, monkeypatch, marker, state):
    run, _, _ = begun(tmp_path, monkeypatch, marker)
    [file] = [path for path in state.rglob("*") if path.is_file()]
    for damage in ("", "[]", '{"modules": 3}', '{"modules": null}', "{"):
        file.write_text(damage)
        monkeypatch.setattr(trust, "_BEGUN", {})
        with pytest.raises(RequestError, match="you did not start this run"):
            _ = SavedRun(run).algorithm


@pytest.mark.parametrize(
    ("place", "options", "needs_none"),
    [
        ("hamlet.envs.atari.pong:parallel_env", (("size", 42),), True),
        ("mpe2.simple_spread_v3:parallel_env", (("N", 3), ("local_ratio", 0.5), ("render_mode", None)), True),
        ("pettingzoo.sisl.pursuit_v5:env", (("obs_method", "vector"), ("continuous_actions", True)), True),
        ("pettingzoo.classic.connect_four_v3:raw_env", (), True),
        ("pettingzoo.atari.pong_v3:parallel_env", (("auto_rom_install_path", "/tmp"),), False),
        ("mpe2.simple_spread_v3:parallel_env", (("N", "/etc/passwd"),), False),
        ("mpe2.simple_spread_v3:parallel_env", (("N", ("a", "b")),), False),
        ("mpe2.simple_spread_v3:parallel_env", 3, False),
        ("mpe2.simple_spread_v3:make_env", (), False),
        ("mpe2.simple_spread_v3:np.load", (), False),
        ("mpe2_evil.simple_spread_v3:parallel_env", (), False),
        ("pettingzoo.utils.wrappers:env", (), False),
        ("pettingzoo.test.example_v0.evil_v1:env", (), False),
        ("mpe2.simple_spread_v3:parallel_env\n", (), False),
        ("hamlet.envs.atari.pong:Pong", (), False),
        ("subprocess:check_output", (("args", "true"),), False),
    ],
)
def test_factories_that_need_no_trust_are_a_list_and_take_plain_options(place, options, needs_none):
    assert (Factories.name(place, {"options": options}) is not None) == needs_none


def test_a_factory_of_a_registered_environment_is_kept_by_its_public_name():
    data = configuration.upgraded({"environment": VERSION_0["environments"]["atari/pong"]})["environment"]
    assert data["factory"] == "atari/pong"
    env = configuration.decode(data)
    assert isinstance(env, PettingZoo) and env.factory == "hamlet.envs.atari.pong:parallel_env"
    assert configuration.encode(env)["factory"] == "atari/pong"


def test_workers_find_no_module_in_the_working_directory_unless_one_was_named(tmp_path, monkeypatch, marker):
    """For `cd RUN; hamlet evaluate .`, with names of installed packages and of the standard library in RUN."""
    for name in ("json", "types", "numpy", "mpe2", "gymnasium", "hamlet"):
        (tmp_path / f"{name}.py").write_text(f"open({str(marker)!r}, 'w')")
    (tmp_path / "sitecustomize.py").write_text(f"open({str(marker)!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", ".", *sys.path])
    env = configuration.decode(
        factory("mpe2.simple_spread_v3:parallel_env", [("N", 2), ("max_cycles", 10), ("continuous_actions", True)])
    )
    assert os.getcwd() not in user_modules.search_path(env.factory)
    copies = env.open(0, range(1))
    try:
        view = copies.begin(np.zeros(1, np.int64))
    finally:
        copies.close()
    assert len(view.observation) == 1 and not marker.exists()


def test_a_module_that_one_names_is_found_where_one_stands_and_hides_nothing(tmp_path, monkeypatch):
    shutil.copy(doubles.__file__, tmp_path / "mine.py")
    (tmp_path / "neighbour.py").write_text("")
    (tmp_path / "json.py").write_text("raise SystemExit('the standard library is hidden')")
    (tmp_path / "gymnasium.py").write_text("raise SystemExit('a package is hidden')")
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", ".")])
    with pytest.raises(RequestError, match="there is no module mine"):
        monkeypatch.chdir(tmp_path.parent)
        _ = from_pettingzoo("mine:Walk").groups
    monkeypatch.chdir(tmp_path)
    env = from_pettingzoo("mine:Walk")
    assert env.factory == "mine:Walk"
    assert user_modules.search_path("mine:Walk")[-1] == str(tmp_path) and str(tmp_path) not in user_modules.search_path(
        "other:Walk"
    )
    # What is recorded is enough to find it again.
    assert user_modules.directories([env.factory]) == {"mine": str(tmp_path)}


def test_a_module_in_the_place_of_an_installed_one_is_said(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    for home in (tmp_path, tmp_path / "here"):
        (home / "twofold.py").write_text("")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.chdir(tmp_path / "here")
    with pytest.warns(UserWarning, match="Hamlet imports the module twofold from the working directory, not from"):
        user_modules.called("twofold:make")
    assert user_modules.load("twofold:make").__file__ == str(tmp_path / "here" / "twofold.py")
    sys.modules.pop("twofold")


def test_what_is_installed_or_hamlets_own_is_never_looked_for_where_one_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("json", "mpe2", "pettingzoo", "hamlet", "random"):
        (tmp_path / f"{name}.py").write_text("")
        user_modules.called(f"{name}:make")
    assert user_modules.known() == {} and user_modules.directories(["json:loads", "numpy:load"]) == {}


def test_from_repeats_a_run_of_hamlets_parts_without_trust(tmp_path, marker):
    run = stranger(tmp_path / "run", config(), marker)
    asked = request.read(["--from", str(run / "config.json"), "--out", str(tmp_path / "again")])
    assert asked.environment == hamlet.envs.make("mpe/simple_spread", agents=2, max_steps=5)
    assert SavedRun(run).algorithm == asked.algorithm


def test_one_place_decodes_the_configurations_of_runs():
    """A command that came by another way to a run's parts would not ask for trust."""
    source = Path(hamlet.__file__).parent
    found = [path.name for path in source.rglob("*.py") if "configuration.decode(" in path.read_text(encoding="utf-8")]
    assert found == ["declaration.py"]
