"""The records behind the documentation's numbers: list them with their costs, and make them.

A record is a JSON file. It contains the command, the versions, a description of the hardware, the seeds, and the raw
numbers. Unfavourable numbers are included, and are not rounded to look better.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hamlet import presets
from hamlet.bench.learning import curves, discount, general_sum, mpe, optimum, pong
from hamlet.bench.speed import (
    crowds,
    environments,
    export,
    host,
    meta_game,
    replay,
    reports,
    scaling,
    seeds,
    training_speed,
    value,
)
from hamlet.bench.theory import cooperative_games, games, gradient_variance
from hamlet.envs.mpe.simple_spread import SimpleSpread
from hamlet.errors import unknown
from hamlet.experiments import decomposition
from hamlet.files.atomic_write import write
from hamlet.runs import manifest

Make = Callable[[Path], Any]


@dataclass(frozen=True)
class Record:
    """The definition of one record.

    Attributes:
        says: The description of the measurement.
        minutes: The approximate time of the measurement on two cores, in minutes.
        make: The function that measures. It receives a directory in which it can save and continue long work.
    """

    says: str
    minutes: float
    make: Make


def _speed(algorithm: str, **changes: Any) -> Make:
    return lambda work: training_speed.measure(presets.find("paper/mpe", algorithm)(**changes), SimpleSpread())


def _environments(work: Path) -> Any:
    return environments.measure_all()


def _mamujoco(work: Path) -> Any:
    from hamlet.bench.speed import mamujoco  # imported here, because it imports MuJoCo, an optional dependency

    return mamujoco.measure_all()


def _sequential(work: Path) -> Any:
    """Measure HAPPO and MAPPO without sharing, alternately, so that changes of the machine's speed affect both."""
    pairs = []
    for _ in range(3):
        rows = [
            training_speed.measure(presets.find("paper/mpe", name)(sharing="none"), SimpleSpread(), calls=5)
            for name in ("happo", "mappo")
        ]
        seconds = [sorted(row["seconds_per_iteration"])[len(row["seconds_per_iteration"]) // 2] for row in rows]
        pairs.append({"happo_seconds": seconds[0], "mappo_seconds": seconds[1], "ratio": seconds[0] / seconds[1]})
    return {"pairs": pairs, "ratio": sorted(pair["ratio"] for pair in pairs)[1]}


# Environment steps of training per minute, approximately. For algorithms that are not listed, 2 M.
_A_MINUTE = {"hatrpo": 1e6, **dict.fromkeys(("haddpg", "hatd3", "hasac", "had3qn", "matd3"), 1.5e5)}


def _learning(
    algorithm: str, task: str, kind: str, steps: int, seeds: tuple[int, ...] = (0,), **changes: Any
) -> Record:
    environment, continuous = f"mpe/simple_{task}", kind == "continuous"

    def make(work: Path) -> Any:
        return [
            mpe.measure(
                algorithm,
                environment,
                continuous=continuous,
                steps=steps,
                seed=seed,
                directory=work / f"seed-{seed}",
                **changes,
            )
            for seed in seeds
        ]

    shared = f" {changes}" if changes else ""
    says = f"{algorithm}{shared} on {environment} ({kind}), {steps / 1e6:g} M steps, 200 evaluation episodes in mpe2"
    return Record(says, round(len(seeds) * steps / _A_MINUTE.get(algorithm, 2e6), 1), make)


def _locomotion(algorithm: str, task: str, steps: int, seeds: tuple[int, ...] = (0,)) -> Record:
    def make(work: Path) -> Any:
        from hamlet.bench.learning import locomotion

        return [
            locomotion.measure(algorithm, task, steps=steps, seed=seed, directory=work / f"seed-{seed}")
            for seed in seeds
        ]

    says = f"{algorithm} on mamujoco/{task}, {steps / 1e6:g} M steps, the paper's settings, seeds {seeds}"
    # About 6,000 steps per second with two agents. The cost is proportional to the number of agents.
    agents = 17 if task == "Humanoid-17x1" else 2
    return Record(says, round(len(seeds) * steps * agents / 2 / 6000 / 60), make)


def _general_sum(
    algorithm: str,
    environment: str,
    preset: str | None,
    steps: int,
    seeds: tuple[int, ...],
    minutes: float,
    options: Mapping[str, Any],
    **changes: Any,
) -> Record:
    def make(work: Path) -> Any:
        return general_sum.measure(
            algorithm, environment, preset, steps=steps, seeds=seeds, directory=work, options=options, changes=changes
        )

    option_text, changed = (f" {dict(values)}" if values else "" for values in (options, changes))
    whose = preset or "the algorithm's defaults"
    says = f"{algorithm}{changed} on {environment}{option_text}, {steps / 1e6:g} M steps, {whose}, seeds {seeds}"
    return Record(says, minutes, make)


_GRID = "paper/matrl/grid"
_SLOWER = {
    "normalise_observations": True,
    "learning_rate": 5e-4,
    "response_learning_rate": 5e-4,
    "minibatches": 4,
    "critic_minibatches": 4,
    "entropy": 0.01,
}
_REMEMBERING_ALONE = {"rnn_size": 64, "entropy": 0.01, "learning_rate": 5e-4, "critic_learning_rate": 5e-4}
_REMEMBERING = {**_REMEMBERING_ALONE, "response_learning_rate": 5e-4}
# Figure 5 of the MATRL paper: environments, presets, steps, and minutes per seed.
_MATRL = {
    f"learning-{task}-{algorithm}": _general_sum(
        algorithm, environment, f"paper/matrl/{preset}", steps, (0, 1, 2), 3 * minutes, options
    )
    for task, environment, preset, steps, minutes, options in (
        ("checkers", "grid/checkers", "grid", 3_000_000, 6.0, {"coded": True}),
        ("switch-4", "grid/switch", "grid", 3_000_000, 12.0, {"agents": 4}),
        ("hopper-3x1", "mamujoco/Hopper-3x1", "hopper", 1_000_000, 4.0, {}),
    )
    for algorithm in general_sum.ALGORITHMS
}
# Changes that were tried to come closer to the optimal return on checkers and switch. All runs use seed 0.
_TRIED = {
    f"learning-{name}": _general_sum(algorithm, environment, preset, steps, (0,), minutes, options, **changes)
    for name, algorithm, environment, preset, steps, minutes, options, changes in (
        ("checkers-matrl-entropy", "matrl", "grid/checkers", _GRID, 3_000_000, 6.0, {"coded": True}, {"entropy": 0.01}),
        ("checkers-matrl-flags", "matrl", "grid/checkers", _GRID, 3_000_000, 6.0, {}, {}),
        ("checkers-matrl-slower", "matrl", "grid/checkers", _GRID, 3_000_000, 8.0, {"coded": True}, _SLOWER),
        ("checkers-happo", "happo", "grid/checkers", None, 3_000_000, 3.0, {"coded": True}, {}),
        ("checkers-happo-entropy", "happo", "grid/checkers", None, 3_000_000, 3.0, {"coded": True}, {"entropy": 0.05}),
        ("checkers-happo-memory", "happo", "grid/checkers", None, 3_000_000, 9.0, {"coded": True}, {"rnn_size": 64}),
        ("switch-4-matrl-entropy", "matrl", "grid/switch", _GRID, 3_000_000, 12.0, {"agents": 4}, {"entropy": 0.01}),
        ("switch-4-matrl-memory", "matrl", "grid/switch", _GRID, 3_000_000, 40.0, {"agents": 4}, {"rnn_size": 64}),
        ("switch-4-matrl-memory-slower", "matrl", "grid/switch", _GRID, 1_000_000, 13.0, {"agents": 4}, _REMEMBERING),
        ("switch-4-il-memory-slower", "il", "grid/switch", _GRID, 1_000_000, 10.0, {"agents": 4}, _REMEMBERING_ALONE),
        ("switch-4-happo", "happo", "grid/switch", None, 3_000_000, 4.0, {"agents": 4}, {}),
    )
}

# The paper's figure of on-policy methods in multi-agent MuJoCo.
_FIGURE = {
    f"figure-mamujoco-{task}-{algorithm}": _locomotion(algorithm, task, 10_000_000, (0, 1, 2))
    for task in ("Ant-4x2", "HalfCheetah-2x3", "Hopper-3x1", "Walker2d-2x3", "Walker2d-6x1")
    for algorithm in ("happo", "hatrpo", "haa2c", "mappo")
}

RECORDS: dict[str, Record] = {
    "speed-happo": Record("HAPPO, continuous spread, the paper's settings", 0.6, _speed("happo")),
    "speed-hatrpo": Record(
        "HATRPO, continuous spread, the paper's settings, with checks that the update is the published method",
        0.8,
        _speed("hatrpo"),
    ),
    "speed-sequential": Record("HAPPO's training time divided by MAPPO's, without parameter sharing", 1.5, _sequential),
    "speed-hatd3": Record("HATD3, continuous spread, the paper's settings", 0.8, _speed("hatd3", warmup=0)),
    "speed-hatd3-mamujoco": Record(
        "HATD3 on HalfCheetah-2x3, the paper's settings", 1.0, lambda work: host.half_cheetah_replayed()
    ),
    "speed-replay": Record(
        "the time of a sample from a nearly empty replay buffer, and from a full one of a million steps",
        0.5,
        lambda work: replay.measure(),
    ),
    "speed-environments": Record("environments without training, random actions", 1.0, _environments),
    "speed-host-mpe2": Record(
        "HAPPO on mpe2's continuous spread in worker processes, 20 environment copies, the paper's settings",
        0.7,
        lambda work: host.mpe2(),
    ),
    "speed-pong": Record(
        "independent learners on two-player Pong, the settings of MATRL's table 6, screens of 84 × 84 and 42 × 42",
        2.0,
        lambda work: host.pong(),
    ),
    "speed-mamujoco-training": Record(
        "HAPPO on HalfCheetah-2x3, 64 environment copies, the paper's settings", 0.7, lambda work: host.half_cheetah()
    ),
    "speed-mamujoco": Record(
        "multi-agent MuJoCo without training, compared with one gymnasium-robotics environment", 2.0, _mamujoco
    ),
    "speed-seeds": Record("two seeds trained sequentially, and simultaneously in two processes", 3.0, seeds.measure),
    "speed-export": Record(
        "one action of an exported policy, in NumPy and onnxruntime", 0.5, lambda work: export.measure()
    ),
    "report": Record(
        "hamlet report of 3 algorithms on 3 tasks, 5 seeds each, in a separate process", 1.0, reports.measure
    ),
    "speed-meta-game": Record(
        "the cost of MATRL compared with independent learners, 2, 4 and 8 agents", 4.0, lambda work: meta_game.measure()
    ),
    "crowds": Record(
        "the cost of a team before its first iteration: 10 to 100 agents in 1 to 30 groups with different spaces",
        15.0,
        lambda work: crowds.measure(),
    ),
    "scaling": Record("the cost of an update with 3 to 48 agents", 6.0, lambda work: scaling.measure()),
    "theory": Record(
        "HATRL, and HAML with four drifts, on 1,000 random cooperative games",
        1.5,
        lambda work: cooperative_games.measure(),
    ),
    "games-table1": Record(
        "gradient play on random 2 × 2 games, MATRL's table 1, on 1,000 and 20,000 games of each class",
        1.5,
        lambda work: games.measure(),
    ),
    "gradient-variance": Record(
        "the total variance of one agent's parameter gradient on discrete spread, by baseline, for 2, 4 and 8 agents",
        10.0,
        lambda work: gradient_variance.measure(),
    ),
    "speed-qmix": Record(
        "qmix on discrete spread: one update of 32 episodes per 8 new episodes, with evaluation; and the first "
        "published settings",
        1.5,
        lambda work: value.measure(),
    ),
    **{
        f"learning-spread-{name}": _learning(name, "spread", "discrete", 1_000_000, seeds=(0, 1, 2), preset="tuned/mpe")
        for name in ("iql", "vdn", "qmix")
    },
    "value-decomposition": Record(
        "the matrix games that IQL, VDN, QMIX, QTRAN, QPLEX and Q-DPP solve",
        40.0,
        lambda work: decomposition.measure(work),
    ),
    "optimum-speaker-listener": Record(
        "an upper bound on every policy's return on speaker-listener, on the evaluation episodes of trained policies",
        1.0,
        lambda work: optimum.measure(),
    ),
    "curves-spread": Record(
        "learning curves of HAPPO, HATRPO and MAPPO on continuous spread, tuned/mpe, five seeds of 1 M steps",
        20.0,
        lambda work: curves.measure(
            "mpe/simple_spread",
            ("happo", "hatrpo", "mappo"),
            preset="tuned/mpe",
            steps=1_000_000,
            seeds=range(5),
            directory=work,
        ),
    ),
    "learning-spread-discount": Record(
        "HAPPO on discrete spread by discount: six seeds, 0.5 M steps", 5.0, lambda work: discount.measure()
    ),
    "learning-spread-continuous": _learning("happo", "spread", "continuous", 10_000_000),
    "learning-spread-continuous-as-written": _learning("happo", "spread", "continuous", 10_000_000, entropy=0.01),
    "learning-spread-discrete": _learning("happo", "spread", "discrete", 10_000_000),
    "learning-spread-discrete-seeds": _learning("happo", "spread", "discrete", 10_000_000, seeds=(1, 2, 3, 4, 5)),
    "learning-spread-discrete-tuned": _learning("happo", "spread", "discrete", 10_000_000, preset="tuned/mpe"),
    "learning-spread-discrete-discount-0.8": _learning(
        "happo", "spread", "discrete", 10_000_000, seeds=(0, 1, 2), preset="tuned/mpe", discount=0.8
    ),
    "learning-spread-discrete-shared": _learning(
        "happo", "spread", "discrete", 10_000_000, seeds=(0, 1, 2), preset="tuned/mpe/shared"
    ),
    "learning-spread-continuous-shared": _learning(
        "happo", "spread", "continuous", 10_000_000, preset="tuned/mpe/shared"
    ),
    "learning-spread-continuous-tuned": _learning("happo", "spread", "continuous", 10_000_000, preset="tuned/mpe"),
    "learning-speaker-listener-continuous": _learning("happo", "speaker_listener", "continuous", 10_000_000),
    "learning-speaker-listener-discrete": _learning("happo", "speaker_listener", "discrete", 10_000_000),
    "learning-reference-continuous": _learning("happo", "reference", "continuous", 10_000_000),
    "learning-reference-discrete": _learning("happo", "reference", "discrete", 10_000_000),
    "learning-spread-hatrpo": _learning("hatrpo", "spread", "continuous", 4_000_000),
    "learning-spread-mappo-shared": _learning("mappo", "spread", "continuous", 4_000_000),
    "learning-spread-mappo-unshared": _learning("mappo", "spread", "continuous", 4_000_000, sharing="none"),
    "learning-spread-coma": _learning("coma", "spread", "discrete", 2_000_000, seeds=(0, 1, 2)),
    "learning-spread-coma-tuned": _learning(
        "coma", "spread", "discrete", 2_000_000, seeds=(0, 1, 2), preset="tuned/mpe"
    ),
    "learning-spread-mappo-ob": Record(
        "mappo with the optimal baseline minus mappo, discrete spread, tuned/mpe, 1 M steps, five seeds each, in mpe2",
        8.0,
        lambda work: mpe.difference(
            "mappo", "mpe/simple_spread", {"advantage": "optimal_baseline"}, steps=1_000_000, directory=work
        ),
    ),
    "learning-spread-hatd3": _learning("hatd3", "spread", "continuous", 2_000_000),
    "learning-spread-matd3": _learning("matd3", "spread", "continuous", 2_000_000),
    "learning-spread-haddpg": _learning("haddpg", "spread", "continuous", 2_000_000),
    **{
        f"learning-spread-{name}-tuned": _learning(name, "spread", "continuous", 2_000_000, preset="tuned/mpe")
        for name in ("hatd3", "matd3", "haddpg")
    },
    "learning-speaker-listener-had3qn": _learning("had3qn", "speaker_listener", "discrete", 1_000_000),
    "learning-speaker-listener-had3qn-tuned": _learning(
        "had3qn", "speaker_listener", "discrete", 1_000_000, preset="tuned/mpe"
    ),
    **{
        f"learning-speaker-listener-hasac-{kind}{suffix}": _learning(
            "hasac", "speaker_listener", kind, 500_000, preset=preset
        )
        for kind in ("continuous", "discrete")
        for suffix, preset in (("", "tuned/mpe"), ("-paper", "paper/mpe"))
    },
    "learning-mamujoco-HalfCheetah-2x3": _locomotion("happo", "HalfCheetah-2x3", 3_000_000),
    "learning-mamujoco-HalfCheetah-2x3-hatd3": _locomotion("hatd3", "HalfCheetah-2x3", 500_000),
    "learning-mamujoco-Hopper-3x1": _locomotion("happo", "Hopper-3x1", 2_000_000),
    "learning-mamujoco-Humanoid-17x1-happo": _locomotion("happo", "Humanoid-17x1", 1_000_000),
    "learning-mamujoco-Humanoid-17x1-mappo": _locomotion("mappo", "Humanoid-17x1", 1_000_000),
    **_MATRL,
    **_TRIED,
    "learning-pong-matrl": Record(
        "matrl on atari/pong, paper/matrl/pong, 0.6 M steps, sampled actions against a random player",
        60.0,
        lambda work: pong.measure(work, "paper/matrl/pong", steps=600_000),
    ),
    "learning-pong-matrl-tuned": Record(
        "matrl on atari/pong, two screens of 42, tuned/pong, 1 M steps, sampled actions against a random player",
        60.0,
        lambda work: pong.measure(work, "tuned/pong", steps=1_000_000, size=42, stack=2),
    ),
    **_FIGURE,
}


def table(directory: Path) -> list[str]:
    """Return one line for each record: its name, when it was made or what it would cost, and its description."""
    lines = []
    for name, record in RECORDS.items():
        path = directory / f"{name}.json"
        status = json.loads(path.read_text())["made"] if path.exists() else f"missing (about {record.minutes:g} min)"
        lines.append(f"{name:38s} {status:24s} {record.says}")
    return lines


def make(name: str, directory: Path, work: Path) -> dict[str, Any]:
    """Measure a record and write it; long training is saved in ``work`` and continued from there.

    Raises:
        RequestError: If no record has this name.
    """
    if name not in RECORDS:
        raise unknown("record", name, RECORDS)
    began = time.perf_counter()
    result = RECORDS[name].make(work / name)
    record = {
        "record": name,
        "says": RECORDS[name].says,
        "command": f"hamlet bench records {name}",
        "made": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "seconds": time.perf_counter() - began,
        **manifest.describe(),
        "result": result,
    }
    directory.mkdir(parents=True, exist_ok=True)
    write(directory / f"{name}.json", json.dumps(record, indent=1) + "\n")
    return record
