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
    "speed": "train one algorithm (happo, or hamlet bench speed ALGORITHM) on mpe/simple_spread with the default "
    "preset: environment steps per second, share of the machine's matrix rate, compile time, peak memory",
    "scaling": "one training iteration with 3 to 48 agents: seconds of the rollout and of the update",
    "crowds": "the cost of a large team before its first iteration, in seconds and memory: 10 to 100 agents, 1 to 30 "
    "groups of agents with different observation spaces",
    "environments": "environments without training, with random actions: steps per second",
    "mamujoco": "multi-agent MuJoCo without training, with random actions, compared with gymnasium-robotics: steps per "
    "second",
    "host": "HAPPO on environments in Python processes: steps per second, the time of each part (act, step, wait, "
    "learn)",
    "export": "one action of an exported policy: microseconds in NumPy, in onnxruntime, and in Hamlet",
    "decomposition": "the matrix games that each method of value decomposition solves: writes the record and the "
    "tables of docs/value-decomposition.md",
    "records": "list the records in benchmarks/records, which contain the measurements of the documentation: the "
    "existing ones, the missing ones, and the cost of each; records NAME … makes or continues some of them, records "
    "missing makes all missing records",
}
"""The benchmarks by name, with their descriptions."""
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
    """Run one benchmark and print its results.

    Raises:
        RequestError: If no benchmark has this name, or there are too many arguments.
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
            raise RequestError(f"unexpected argument {argv[-1]!r}: hamlet bench {name} takes {_takes(name)}")
        case [name, *_]:
            raise unknown("benchmark", name, BENCHMARKS)
    return 0


def _usage() -> str:
    """Return the help text, which fits the width of the terminal."""
    about = "Measure speed, scaling and learning on this machine, and print the results as JSON."
    return "\n".join(["usage: hamlet bench BENCHMARK", "", about, "", layout.rows(BENCHMARKS.items(), indent="  ")])


def _takes(name: str) -> str:
    return "one ALGORITHM" if name == "speed" else "no arguments"


def _records(names: Sequence[str]) -> None:
    """Print the list of records, or make the records with these names."""
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
    # Warm-up steps play random actions without training, so they are left out of the measurement.
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
