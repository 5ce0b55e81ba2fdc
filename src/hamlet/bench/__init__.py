"""Measurements of speed, scaling and learning: ``hamlet bench``."""

import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hamlet.errors import RequestError, unknown

_USAGE = """usage: hamlet bench [speed [ALGORITHM] | scaling | crowds | environments | mamujoco | host | export |
                     decomposition | records [NAME]]

  speed [ALGORITHM]   train ALGORITHM (happo) on spread (continuous where it can), the usual settings: env steps a
                      second, the share of the machine's matrix rate, compile time, peak memory
  scaling             the same update from 3 to 48 agents
  crowds              seconds before the first iteration, and memory: 10 to 100 agents, 1 to 30 groups of unlike spaces
  environments        environments alone, random actions
  mamujoco            multi-agent MuJoCo alone, beside the maintainers' one environment
  host                HAPPO on host environments: env steps per second, and where the time goes (act, step, wait, learn)
  export              one action of an exported policy: NumPy, onnxruntime, and the run's own policy
  decomposition       which game each method of value decomposition solves: make the record, and write the tables of
                      docs/value-decomposition.md
  records             list the records in benchmarks/records: which exist, which are missing, what each would cost
  records NAME ...    make records (or go on with those that were interrupted); 'missing' stands for all that are
"""
_WHOLE = ("scaling", "crowds", "environments", "mamujoco", "host", "export", "decomposition")
_RECORDS, _WORK = Path("benchmarks/records"), Path("runs/bench")
_PAGE = Path("docs/value-decomposition.md")


def main(argv: Sequence[str]) -> int:
    """Run one benchmark and print its figures.

    Raises:
        RequestError: If there is none of that name.
    """
    from hamlet.bench import records

    match list(argv):
        case [] | ["-h"] | ["--help"]:
            print(_USAGE, end="")
        case ["speed", *rest]:
            _speed(rest[0] if rest else "happo")
        case ["scaling"]:
            from hamlet.bench.speed import scaling

            _print(scaling.measure())
        case ["crowds"]:
            from hamlet.bench.speed import crowds

            _print(crowds.measure())
        case ["environments"]:
            from hamlet.bench.speed import environments

            _print(environments.measure_all())
        case ["mamujoco"]:
            from hamlet.bench.speed import mamujoco

            _print(mamujoco.measure_all())
        case ["host"]:
            from hamlet.bench.speed import host

            _print(host.measure_all())
        case ["export"]:
            from hamlet.bench.speed import export

            _print(export.measure())
        case ["decomposition"]:
            _decomposition()
        case ["records"]:
            print("\n".join(records.table(_RECORDS)))
        case ["records", *names]:
            if names == ["missing"]:
                names = [name for name in records.RECORDS if not (_RECORDS / f"{name}.json").exists()]
            for name in names:
                if name not in records.RECORDS:
                    raise unknown("record", name, records.RECORDS)
            for name in names:
                record = records.make(name, _RECORDS, _WORK)
                print(f"{name}: {record['seconds']:.0f} s, written to {_RECORDS / f'{name}.json'}")
        case [name, *_]:
            if name in _WHOLE:
                raise RequestError(f"hamlet bench {name} takes no arguments")
            raise unknown("benchmark", name, ("speed", *_WHOLE, "records"))
    return 0


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
