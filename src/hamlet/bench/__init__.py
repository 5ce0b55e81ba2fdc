"""Measurements of speed, scaling and learning: ``hamlet bench``."""

import inspect
import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from hamlet.errors import RequestError, unknown
from hamlet.options import layout

BENCHMARKS: Mapping[str, str] = {
    "speed": "train one algorithm (happo, or hamlet bench speed ALGORITHM) on mpe/simple_spread with the usual "
    "settings: environment steps a second, share of the machine's matrix rate, compile time, peak memory",
    "scaling": "one training update with 3 to 48 agents: seconds of the rollout and of the update",
    "crowds": "what a large team costs before its first iteration, seconds and memory: 10 to 100 agents, 1 to 30 "
    "groups of unlike spaces",
    "environments": "environments alone with random actions: steps a second",
    "mamujoco": "multi-agent MuJoCo alone with random actions, beside gymnasium-robotics: steps a second",
    "host": "HAPPO on environments in Python processes: steps a second, the time of each part (act, step, wait, learn)",
    "export": "one action of an exported policy: microseconds in NumPy, onnxruntime, and in Hamlet",
    "decomposition": "which matrix game each method of value decomposition solves: makes that record, and the tables "
    "of docs/value-decomposition.md",
    "records": "list the records of benchmarks/records behind the documentation's numbers: which exist, which are "
    "missing, what each would cost; records NAME … makes some or goes on with them, records missing makes all others",
}
"""What can be measured, by name."""
_MEASURED_BY = {
    "scaling": "scaling:measure",
    "crowds": "crowds:measure",
    "environments": "environments:measure_all",
    "mamujoco": "mamujoco:measure_all",
    "host": "host:measure_all",
    "export": "export:measure",
}
_RECORDS, _WORK = Path("benchmarks/records"), Path("runs/bench")
_PAGE = Path("docs/value-decomposition.md")


def main(argv: Sequence[str]) -> int:
    """Run one benchmark and print its figures.

    Raises:
        RequestError: If there is none of that name.
    """
    match list(argv):
        case [] | ["-h"] | ["--help"] | [_, "-h"] | [_, "--help"]:
            print(_usage())
        case ["speed"] | ["speed", _]:
            _speed(argv[1] if argv[1:] else "happo")
        case ["records", *names]:
            _records(names)
        case ["decomposition"]:
            _decomposition()
        case [name] if name in _MEASURED_BY:
            module, _, function = _MEASURED_BY[name].partition(":")
            _print(getattr(import_module(f"hamlet.bench.speed.{module}"), function)())
        case [name, *_] if name in BENCHMARKS:
            raise RequestError(f"{argv[-1]!r} is left over: hamlet bench {name} takes {_takes(name)}")
        case [name, *_]:
            raise unknown("benchmark", name, BENCHMARKS)
    return 0


def _usage() -> str:
    """What there is to measure, within the width of a terminal."""
    about = "Measure speed, scaling and learning on this machine, and print the figures as JSON."
    return "\n".join(["usage: hamlet bench BENCHMARK", "", about, "", layout.rows(BENCHMARKS.items(), indent="  ")])


def _takes(name: str) -> str:
    return "one ALGORITHM" if name == "speed" else "nothing more"


def _records(names: Sequence[str]) -> None:
    """List the records, or make some."""
    from hamlet.bench import records

    if not names:
        print("\n".join(records.table(_RECORDS)))
    if list(names) == ["missing"]:
        names = [name for name in records.RECORDS if not (_RECORDS / f"{name}.json").exists()]
    for name in names:
        if name not in records.RECORDS:
            raise unknown("record", name, records.RECORDS, see="hamlet bench records")
    for name in names:
        record = records.make(name, _RECORDS, _WORK)
        print(f"{name}: {record['seconds']:.0f} s, written to {_RECORDS / f'{name}.json'}")


def _speed(name: str) -> None:
    from hamlet import presets
    from hamlet.bench.speed import training_speed
    from hamlet.envs.mpe.simple_spread import SimpleSpread

    factory = presets.find(presets.default("mpe/simple_spread", name) or "paper/mpe", name)
    # What is played to warm up is no training.
    cold = {"warmup": 0} if "warmup" in inspect.signature(factory).parameters else {}
    algorithm = factory(**cold)
    result = training_speed.measure(algorithm, SimpleSpread(continuous="Box" in algorithm.actions))
    raw = result.pop("seconds_per_iteration")
    print(f"seconds per iteration: {', '.join(f'{value:.4f}' for value in raw)}")
    _print(result)


def _decomposition() -> None:
    from hamlet.bench import records
    from hamlet.files.atomic_write import write
    from hamlet.reports.pictures import decomposition

    record = records.make("value-decomposition", _RECORDS, _WORK)
    if _PAGE.exists():
        write(_PAGE, decomposition.written(_PAGE.read_text(encoding="utf-8"), record))
    print("\n".join(decomposition.lines(record["result"])))


def _print(result: Any) -> None:
    print(json.dumps(result, indent=1))
