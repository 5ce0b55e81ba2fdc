"""The command line as a person or a script meets it: through `main`, with small networks."""

import ast
import inspect
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

import hamlet
from hamlet import algorithms, presets
from hamlet.checkpoints import checkpoint
from hamlet.cli import COMMANDS, main
from hamlet.commands import crossplay as crossplaying
from hamlet.commands import evaluate as evaluating
from hamlet.commands import resume as resuming
from hamlet.commands import train as training
from hamlet.commands.request import read
from hamlet.errors import RunError
from hamlet.hyperparameters.docstrings import descriptions
from hamlet.options.values import format_steps, parse_steps
from hamlet.runs.directory import RunDirectory
from hamlet.training.named_runs import places

pytestmark = pytest.mark.usefixtures("programs_once")

TASK = ["happo", "mpe/simple_spread"]
SMALL = ["--hidden", "16", "--num-envs", "4", "--rollout-length", "25", "--epochs", "1", "--critic-epochs", "1"]
SMALL += ["--evaluate-episodes", "0"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """One cache of compiled programs for all: the same small run is begun many times."""
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    compilation_cache.reset_cache()
    yield tmp_path_factory.mktemp("cache")
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


@pytest.fixture(autouse=True)
def _own_place(tmp_path, monkeypatch, cache):
    """Nothing is read from, or left in, the person's own directories."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setenv("HAMLET_CACHE", str(cache))


@pytest.fixture
def compilations():
    """The durations of what XLA compiles meanwhile."""
    found = []

    def listen(event: str, duration: float, **_: object) -> None:
        if event.endswith("backend_compile_duration"):
            found.append(duration)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield found
    jax.monitoring.unregister_event_duration_listener(listen)


def words(*argv: str) -> list[str]:
    return list(argv)


def train(*more: str) -> list[str]:
    return ["train", *TASK, *more]


WRONG = [
    (words(), "hamlet train"),
    (words("trian"), "'hamlet train'"),
    (words("train"), "hamlet train happo mpe/simple_spread"),
    (words("train", "happo"), "ENV is missing"),
    (words("train", "hapo", "mpe/simple_spread"), "'happo'"),
    (words("train", "happo", "mpe/simple_spred"), "'mpe/simple_spread'"),
    (words("train", "mpe/simple_spread", "happo"), "hamlet train happo mpe/simple_spread"),
    (words("train", "hatrpo", "mpe/simple_spread", "--clip", "0.1"), "of happo, mappo, ippo"),
    (train("--clp", "0.1"), "nearest is --clip "),
    (train("--lr", "1e-3"), "nearest is --learning-rate "),
    (train("--batch-size", "8"), "happo has no option --batch-size; it is an option of haddpg, "),
    (
        words("train", "hatrpo", "mpe/simple_spread", "--clip-range", "0.1"),
        "hatrpo has no option --clip; it is an option of happo, ",
    ),
    (train("--colour", "red"), "there is no option --colour (see hamlet train happo mpe/simple_spread --help)"),
    (words("train", "HAPPO", "mpe/simple_spread"), "nearest is 'happo'"),
    (words("train", "dreamer", "mpe/simple_spread"), "there is no algorithm 'dreamer' (choose from coma, "),
    (words("train", "happo", "smac"), "there is no environment 'smac' ("),
    (train("-steps", "5"), "nearest is --steps "),
    (train("--rollout_lenght", "5"), "nearest is --rollout-length "),
    (train("--agents", "5"), "nearest is --env.agents "),
    (train("--env.agent", "5"), "nearest is --env.agents "),
    (train("--env.agents", "0"), "agents must be at least 1"),
    (train("--env.continuous", "False"), "--env.no-continuous"),
    (train("--env.continuous=False"), "--env.no-continuous"),
    (train("--clip", "abc"), "--clip takes a number, not 'abc'"),
    (train("--clip", "0,1"), "nearest is 0.1"),
    (train("--clip", "nan"), "--clip takes a number"),
    (train("--clip", "-0.1"), "--clip must be above 0"),
    (train("--clip"), "no value was given"),
    (train("--clip", "0.1", "0.2"), "--clip takes a number, not '0.1 0.2'"),
    (train("--epochs", "2.6"), "nearest is 3"),
    (
        words("train", "hasac", "mpe/simple_spread", "--buffer-size", "1k", "--batch-size", "1.5k"),
        "smaller than a batch of 1500",
    ),
    (train("--hidden", "64", "x"), "--hidden takes whole numbers, such as 128 128"),
    (train("--hidden", "64", "0"), "--hidden takes widths of at least 1"),
    (train("--order", "randm"), "nearest is random"),
    (train("--device", "cup"), "nearest is cpu"),
    (train("--device", "tpu"), "JAX finds no tpu on this machine; use --device cpu"),
    (train("--steps", "10X"), "such as 10M"),
    (train("--steps", "0"), "--steps must be at least 1"),
    (train("--steps", "-5"), "--steps must be at least 1"),
    (train("--seeds", "0"), "--seeds must be at least 1"),
    (train("--seed", "-1"), "nearest is 0"),
    (train("--seed", "4294967295", "--seeds", "2"), "nearest is 4294967294"),
    (train("--checkpoint-every", "0"), "--checkpoint-every must be at least 1"),
    (train("--evaluate-every", "0"), "--evaluate-every must be at least 1"),
    (train("--evaluate-episodes", "-1"), "--evaluate-episodes must be at least 0"),
    (train("--evaluate-mode", "random"), "deterministic"),
    (train("--minibatches", "3"), "nearest is 2"),
    (train("--preset", "paper/mp"), "'paper/mpe'"),
    (train("--init-from", "nothing"), "nothing does not exist"),
    (train("--out", "taken"), "taken-2"),
    (train("--out", "taken", "--seeds", "2"), "taken-2"),
    (train("extra"), "unexpected word 'extra'"),
    (train("--quiet", "extra"), "--quiet takes no value"),
    (train("--from", "taken"), "unexpected word 'happo'"),
    (words("train", "--from", "nothing.json"), "nothing.json cannot be read"),
    (words("train", "--from", "taken", "--clip", "0.1"), "--clip cannot be given with --from"),
    (words("train", "--from", "taken"), "taken/config.json"),
    (words("evaluate"), "RUN is missing"),
    (words("evaluate", "takn"), "nearest run is taken"),
    (words("evaluate", "taken", "--episodes", "0"), "--episodes must be at least 1"),
    (words("evaluate", "taken", "--episode", "3"), "nearest is --episodes "),
    (words("evaluate", "taken", "--video", "a.mp5"), "nearest is a.mp4"),
    (words("evaluate", "taken", "--video", "seeds.avi"), "a .gif, or for long episodes an .mp4"),
    (words("evaluate", "taken", "--colour", "3"), "there is no option --colour (of --episodes, --seed, "),
    (words("evaluate", "seeds"), "seeds/seed-0"),
    (words("resume", "seeds"), "seeds/seed-0: config.json lacks 'algorithm'"),
    (words("export", "seeds"), "seed-0, seed-1"),
    (words("resume", "takn"), "nearest run is taken"),
    (words("resume", "taken", "--steps", "0"), "--steps must be at least 1"),
    (words("list", "env"), "'envs'"),
]


@pytest.mark.parametrize(
    ("argv", "nearest"), WRONG, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_a_wrong_request_is_one_line_with_the_nearest_choice_before_anything_is_done(
    argv, nearest, capsys, compilations, tmp_path
):
    for name in ("taken", "seeds/seed-0", "seeds/seed-1"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.json").write_text("{}")
    before = sorted(tmp_path.rglob("*"))
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("hamlet: ") and err.count("\n") == 1 and err.endswith("\n")
    assert nearest in err
    assert compilations == []
    assert sorted(tmp_path.rglob("*")) == before


def test_the_listener_of_compilations_hears_one(compilations):
    jax.jit(lambda x: x * 3.25 + 1.125)(np.float32(time.time() % 1)).block_until_ready()
    assert compilations


def test_a_seed_that_is_taken_leaves_no_directory_of_the_others(tmp_path, capsys):
    (tmp_path / "a" / "seed-1").mkdir(parents=True)
    (tmp_path / "a" / "seed-1" / "config.json").write_text("{}")
    assert main(train("--seeds", "3", "--out", "a", "--quiet")) == 2
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["seed-1"]
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("10M", 10**7),
        ("2.5M", 2_500_000),
        ("500k", 500_000),
        ("1e6", 10**6),
        ("10_000_000", 10**7),
        ("7", 7),
        ("1B", 10**9),
    ],
)
def test_step_counts_are_read_as_people_write_them(text, steps):
    assert parse_steps(text) == steps
    assert parse_steps(format_steps(steps)) == steps


@pytest.mark.parametrize("text", ["", "M", "1.5", "ten", "1e300", "inf", "nan", "0x10"])
def test_what_is_no_whole_number_of_steps_is_refused(text):
    with pytest.raises(ValueError, match="no"):
        parse_steps(text)


def test_a_presets_values_are_the_defaults_and_a_flag_overrides_one():
    tuned = presets.find("tuned/mpe", "mappo", read(["mappo", "mpe/simple_spread"]).environment)
    assert read(["mappo", "mpe/simple_spread"]).algorithm == tuned() != algorithms.mappo()
    assert read(["mappo", "mpe/simple_spread", "--preset", "none"]).algorithm == algorithms.mappo()
    assert read(["mappo", "mpe/simple_spread", "--clip", "0.3"]).algorithm == tuned(clip=0.3)
    assert read(["mappo", "mpe/simple_spread", "--critic-clip", "0.1"]).algorithm == tuned(critic_clip=0.1)


def test_the_preset_in_use_is_written_down():
    assert read(TASK).labels["preset"] == "tuned/mpe"
    assert read([*TASK, "--preset", "paper/mpe"]).labels["preset"] == "paper/mpe"
    assert read([*TASK, "--preset", "none"]).labels["preset"] is None


def test_options_of_the_environment_reach_it():
    request = read([*TASK, "--env.no-continuous", "--env.agents", "5", "--env.local_ratio=0.25"])
    assert (request.environment.continuous, request.environment.agents) == (False, 5)
    assert request.environment.local_ratio == 0.25


def test_underscores_and_hyphens_are_the_same_and_the_later_of_two_values_counts():
    a, b = (read([*TASK, flag, "25"]).algorithm for flag in ("--rollout-length", "--rollout_length"))
    assert a == b and a.sampling.steps == 25
    assert read([*TASK, "--clip", "0.1", "--clip=0.3"]).algorithm == read([*TASK, "--clip", "0.3"]).algorithm


def test_names_may_stand_behind_options_of_the_run():
    request = read(["--steps", "2M", "--out", "happo", "--quiet", *TASK, "--entropy", "-0.5"])
    assert (request.options.steps, request.options.out, request.options.quiet) == (2_000_000, Path("happo"), True)


@pytest.mark.parametrize("name", sorted(algorithms.ALGORITHMS))
def test_help_names_every_hyperparameter_with_its_description_and_resolved_default(name, capsys):
    assert main(["train", name, "mpe/simple_spread", "--help"]) == 0
    text = " ".join(re.sub(r"[│╭╮╰╯─]", " ", capsys.readouterr().out).split())
    factory = algorithms.ALGORITHMS[name]
    assert set(descriptions(factory)) == set(inspect.signature(factory).parameters)
    for parameter, description in descriptions(factory).items():
        assert re.search(rf"--{parameter.replace('_', '-')}[ ,]", text)
        assert description in text
    preset = presets.default("mpe/simple_spread", name) or "none"
    assert "--env.agents" in text and "--checkpoint-every" in text and f"(default: {preset})" in text


def test_help_shows_defaults_as_the_preset_and_the_environments_options_resolve_them(capsys):
    def entropy(*argv: str) -> str:
        assert main(train(*argv, "--help")) == 0
        out = " ".join(re.sub(r"[│─]", " ", capsys.readouterr().out).split())
        return re.findall(r"per nat\..*? \(default: (.*?)\)", out)[0]

    env = {word: read([*TASK, word]).environment for word in ("--env.continuous", "--env.no-continuous")}
    for word, environment in env.items():
        assert float(entropy(word)) == presets.find("tuned/mpe", "happo", environment).keywords["entropy"]


def test_help_says_why_a_presets_value_surprises(capsys):
    told = {}
    for word in ("--env.continuous", "--env.no-continuous"):
        assert main(train(word, "--help")) == 0
        told[word] = " ".join(capsys.readouterr().out.split())
    assert "40 is the paper's 0.01 as its code applied it" in told["--env.continuous"]
    assert "40 is" not in told["--env.no-continuous"]


@pytest.mark.parametrize(
    "argv",
    [
        ["--help"],
        ["train", "happo", "-h"],
        ["games", "-h"],
        ["games", "dynamics", "-h"],
        *([name, "--help"] for name in COMMANDS if name != "games"),
    ],
    ids=" ".join,
)
def test_every_help_has_an_example_or_options_and_fits_80_columns(argv, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(argv) == 0
    out, err = capsys.readouterr()
    assert "hamlet" in out and err == ""
    assert max(map(len, out.splitlines())) <= 90


@pytest.mark.parametrize(("columns", "most"), [("80", 80), ("300", 100)])
def test_list_names_everything_within_the_width_of_the_terminal(columns, most, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    for name in [*algorithms.ALGORITHMS, "mpe/simple_spread", *presets.PRESETS]:
        assert name in out
    assert main(["list", "envs"]) == 0
    envs = capsys.readouterr().out
    assert "happo" not in envs and "(agents, continuous, local-ratio, max-steps)" in " ".join(envs.split())
    assert max(map(len, (out + envs).splitlines())) <= most


def test_the_version_and_the_list_of_commands_import_neither_jax_nor_numpy():
    program = "import sys, hamlet.cli as c; c.main(['--version']); c.main(['--help']); print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.startswith(f"hamlet {hamlet.__version__}\nusage: ")
    assert not {"jax", "numpy", "tyro", "equinox"} & set(said.stdout.split())


def test_every_public_name_is_there_when_it_is_asked_for_and_where_type_checkers_look():
    assert all(getattr(hamlet, name) is not None for name in hamlet.__all__)
    (block,) = (node for node in ast.parse(Path(hamlet.__file__).read_text()).body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    typed = {name.name: node.module for node in imports for name in node.names if node.module != "hamlet"}
    assert typed == hamlet._DEFINED_IN
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = hamlet.nothing


def state(path: str, step: int | None = None) -> dict[str, bytes]:
    """Every array of a run's newest checkpoint, from orbax's own reader."""
    import orbax.checkpoint as orbax

    directory = Path(path) / "checkpoints"
    newest = checkpoint.steps(directory)[-1]
    assert step is None or newest == step
    with orbax.Checkpointer(orbax.PyTreeCheckpointHandler()) as reader:
        arrays = reader.restore((directory / f"{newest:012d}" / "arrays").absolute())
    return {name: np.asarray(array).tobytes() for name, array in arrays.items()}


def test_a_run_is_trained_judged_resumed_and_repeated_bit_for_bit(capsys):
    assert main(train(*SMALL, "--steps", "200", "--seed", "1", "--out", "a")) == 0
    out, err = capsys.readouterr()
    assert "random play" in out and "hamlet resume a --steps 400" in out and "Traceback" not in err
    recorded = json.loads(Path("a/evaluation.json").read_text())
    assert [(point["step"], point["mode"], point["episodes"]) for point in recorded] == [
        (200, "deterministic", 100),
        (0, "random", 100),
    ]
    assert len(recorded[0]["returns"]) == 100 and set(recorded[0]["agent_returns"]) == {f"agent_{i}" for i in range(3)}

    assert main(["evaluate", "a", "--json", "--seed", "5"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["step"], result["episodes"], result["seed"]) == (200, 100, 5)
    assert result["mean"] == pytest.approx(np.mean(result["returns"])) and "mean" in result["random"]
    assert len(json.loads(Path("a/evaluation.json").read_text())) == 4
    assert main(["evaluate", "a", "--json", "--seed", "5"]) == 0
    assert json.loads(capsys.readouterr().out) == result
    assert len(json.loads(Path("a/evaluation.json").read_text())) == 4

    assert main(["evaluate", "a", "--json", "--episodes", "2", "--env.max-steps", "30"]) == 0
    assert json.loads(capsys.readouterr().out)["lengths"] == [30, 30]
    assert main(["evaluate", "a", "--env.agents", "4"]) == 2
    err = capsys.readouterr().err
    assert "agents 3 (observation 18, action Box 5), here 4 (observation 24, action Box 5)" in err
    assert main(["evaluate", "a", "--env.max-step", "30"]) == 2
    assert "the nearest is --env.max-steps" in capsys.readouterr().err
    assert len(json.loads(Path("a/evaluation.json").read_text())) == 4

    assert main(["train", "--from", "a/config.json", "--out", "b", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert state("b", 200) == state("a", 200)
    assert main(train(*SMALL, "--steps", "200", "--seeds", "2", "--out", "c", "--quiet")) == 0
    assert state("c/seed-1", 200) == state("a") != state("c/seed-0", 200)

    assert main(["resume", "a"]) == 2
    assert "--steps 400" in capsys.readouterr().err
    assert main(["resume", "a", "--steps", "300", "--quiet"]) == 0
    assert state("a", 300) != state("b")


def test_a_directory_that_cannot_be_written_costs_the_record_but_not_the_result(capsys, monkeypatch, tmp_path):
    from hamlet.errors import RunError
    from hamlet.training import final_evaluation

    def refuse(*_: object) -> None:
        raise RunError("the disk is full")

    assert main(train(*SMALL, "--steps", "100", "--out", "a", "--quiet")) == 0
    monkeypatch.setattr(final_evaluation, "record", refuse)
    assert main(["evaluate", "a"]) == 0
    out, err = capsys.readouterr()
    assert "random play" in out
    assert err == "warning: the evaluation is not stored in the run: the disk is full\n"


def test_a_run_without_a_checkpoint_is_status_1_and_one_line(capsys, tmp_path):
    assert main(train(*SMALL, "--steps", "100", "--out", "a", "--quiet")) == 0
    for file in Path("a/checkpoints").rglob("manifest.json"):
        file.write_text("{")
    assert main(["evaluate", "a"]) == 1
    warning, error = capsys.readouterr().err.splitlines()
    assert warning.startswith("warning: the checkpoint ") and error.startswith("hamlet: no good checkpoint")


def test_without_out_the_next_free_name_is_taken_and_printed(capsys):
    Path("runs/happo-mpe-simple_spread-seed-7").mkdir(parents=True)
    assert main(train(*SMALL, "--steps", "100", "--seed", "7")) == 0
    assert "the run is in runs/happo-mpe-simple_spread-seed-7-2\n" in capsys.readouterr().out


@pytest.mark.slow
def test_a_run_that_is_terminated_saves_says_so_and_can_be_resumed(tmp_path):
    command = [sys.executable, "-m", "hamlet.cli", *train(*SMALL, "--steps", "1e9", "--out", "a")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        if "env steps/s" in line or "return" in line:
            break
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=60)
    assert time.monotonic() - began < 10
    assert process.returncode == 1
    lines = [line for line in rest.splitlines() if line.startswith("hamlet: ")]
    assert len(lines) == 1 and "to continue: hamlet resume a" in lines[0] and "Traceback" not in rest
    done = checkpoint.steps(tmp_path / "a" / "checkpoints")[-1]
    assert main(["resume", "a", "--steps", str(done + 100), "--quiet"]) == 0
    assert checkpoint.steps(tmp_path / "a" / "checkpoints")[-1] == done + 100


def test_all_that_resume_is_told_reaches_the_run(monkeypatch, tmp_path):
    """All but what says where its metrics go, which is heard apart."""
    told = {}
    monkeypatch.setattr(resuming, "resume", lambda path, **given: told.update(given) or SimpleNamespace(path=path))
    monkeypatch.setattr(resuming, "finish", lambda runs, quiet: told.update(finished=quiet))
    RunDirectory.create(tmp_path / "a", {})
    words = ["--steps", "20k", "--gradient-accumulation", "3", "--device", "cpu", "--trust", "--quiet"]
    assert resuming.main([str(tmp_path / "a"), *words]) == 0
    asked = {"steps": 20_000, "gradient_accumulation": 3, "device": "cpu", "trust": True, "quiet": True}
    assert told == asked | {"sinks": told["sinks"], "finished": True}


def test_several_seeds_are_those_from_the_first_on(tmp_path):
    words = ["happo", "matrix/climbing", "--seed", "5", "--seeds", "3", "--out", str(tmp_path)]
    options = read(words).options
    assert places(options.out, "a", options.seed, options.seeds) == {
        seed: tmp_path / f"seed-{seed}" for seed in (5, 6, 7)
    }


class Told(Exception):
    """A command called what does its work."""


@pytest.mark.parametrize(
    ("command", "name", "words", "asked"),
    [
        (crossplaying, "play", ["RUN", "RUN", "--deterministic", "--best"], {"mode": "deterministic", "best": True}),
        (crossplaying, "play", ["RUN", "RUN", "--seed", "4"], {"mode": "stochastic", "best": False, "seed": 4}),
        (evaluating.final_evaluation, "judge", ["RUN", "--stochastic"], {"mode": "stochastic", "best": False}),
        (evaluating.final_evaluation, "judge", ["RUN", "--best"], {"mode": "deterministic", "best": True, "seed": 1}),
    ],
)
def test_how_policies_are_to_play_reaches_those_who_let_them(command, name, words, asked, monkeypatch, tmp_path):
    def told(*_, **given):
        raise Told({key: given[key] for key in [*asked, "episodes", "max_episode_steps"]})

    monkeypatch.setattr(command, name, told)
    RunDirectory.create(tmp_path / "a", {})
    main_of = crossplaying.main if command is crossplaying else evaluating.main
    named = [str(tmp_path / "a") if word == "RUN" else word for word in words]
    with pytest.raises(Told) as found:
        main_of([*named, "--episodes", "3", "--max-episode-steps", "9"])
    assert found.value.args[0] == asked | {"episodes": 3, "max_episode_steps": 9}


def test_who_stops_several_runs_is_told_to_go_on_with_the_first_that_is_unfinished(tmp_path):
    paths = [tmp_path / f"seed-{seed}" for seed in range(3)]
    for path, done in zip(paths, (10, 5, 5), strict=True):
        RunDirectory.create(path, {"steps": 10})
        (path / "checkpoints" / f"{done:012d}").mkdir(parents=True)
    line = r"to continue: hamlet resume \S+seed-1 \(and 1 more\)$"
    with pytest.raises(RunError, match=line), training.stoppable(paths):
        raise KeyboardInterrupt


def test_over_seeds_a_mean_has_its_standard_error():
    assert evaluating._spread([1.0, 3.0]) == "2.00 ± 1.00" and evaluating._spread([1.0]) == "1.00 ± 0.00"


def test_what_code_of_the_users_own_raises_is_one_line_with_its_place(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(hamlet.cli.COMMANDS, "own", ("broken_own", "fails"))
    (tmp_path / "broken_own.py").write_text("def main(argv):\n    raise KeyError('nothing here')\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["own"]) == 1
    assert capsys.readouterr().err == f"hamlet: {tmp_path}/broken_own.py:2 raises KeyError: 'nothing here'\n"
