"""The units of a grid as tasks of a Ray cluster, so that it goes to many machines.

Runs are kept in the grid's directory, which every machine must see under the same path, as on a network file system.
"""

import os
import uuid
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hamlet.errors import RequestError, RunError
from hamlet.experiments.execute import FailedCells, Say, Unit, patiently
from hamlet.extras import bring

LOCAL = "local"


def require_ray() -> Any:
    """Ray itself.

    Raises:
        RequestError: If it cannot be imported.
    """
    return bring("ray", "--ray", "leave out --ray")


def on_ray(work: Sequence[Unit], out: Path, address: str, workers: int, *, say: Say) -> FailedCells:
    """Carry out units as tasks; one whose worker dies is begun again by Ray and goes on from its checkpoint.

    Args:
        work: What is left.
        out: The grid's directory.
        address: Of a running cluster, or `LOCAL` to begin one here.
        workers: Tasks at once on a cluster begun here.
        say: Hears which unit is done.

    Raises:
        RequestError: If Ray is absent, or no cluster answers.
        RunError: If a machine does not see the directory.
    """
    ray = require_ray()
    out.mkdir(parents=True, exist_ok=True)
    mark = out / f".seen-{uuid.uuid4().hex}"
    mark.touch()
    where = {"num_cpus": workers} if address == LOCAL else {"address": address}
    try:
        with warnings.catch_warnings():
            # Ray begins its processes by fork and exec at once, which JAX cannot tell from a fork that goes on.
            warnings.filterwarnings("ignore", message=r"os\.fork\(\) was called")
            ray.init(**where, include_dashboard=False, log_to_driver=False, logging_level="error")
    except Exception as error:
        mark.unlink()
        raise RequestError(f"no Ray cluster at {address}: {' '.join(str(error).split())[:200]}") from error
    failures = FailedCells()
    try:
        task = ray.remote(num_cpus=1, max_retries=3, max_calls=1)(_carry)
        pending = {task.remote(unit.words(out), mark.name): unit for unit in work}
        while pending:
            (done, *_), _ = ray.wait(list(pending), num_returns=1)
            unit = pending.pop(done)
            failures.add(unit, _result(ray, done))
            say(f"[{len(work) - len(pending)}/{len(work)}] {unit.name}")
    finally:
        ray.shutdown()
        mark.unlink(missing_ok=True)
    return failures


def _carry(words: str, mark: str) -> tuple[str, Any]:
    """A task: its failures by seed, or why there are none to tell."""
    unit, out = Unit.read(words)
    if not (out / mark).exists():
        return "unseen", f"{os.uname().nodename} does not see {out}: choose an --out on a file system that all share"
    try:
        return "done", patiently(unit, out, quiet=True)
    except RequestError as error:
        return "refused", str(error)
    except RunError as error:
        return "done", dict.fromkeys(unit.seeds, str(error))


def _result(ray: Any, done: Any) -> dict[int, str]:
    try:
        kind, report = ray.get(done)
    except ray.exceptions.RayError as error:
        raise RunError(f"a Ray task failed: {' '.join(str(error).split())[-300:]}") from error
    if kind == "done":
        return report
    raise RequestError(report) if kind == "refused" else RunError(report)
