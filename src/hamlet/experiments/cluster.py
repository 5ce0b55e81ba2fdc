"""Run the units of a grid as tasks of a Ray cluster, on one or several machines.

Runs are saved in the grid's directory. Every machine must see this directory under the same path, for example on a
network file system.
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
    """Import and return Ray.

    Raises:
        RequestError: If it cannot be imported.
    """
    return bring("ray", "--ray", "leave out --ray")


def on_ray(work: Sequence[Unit], out: Path, address: str, workers: int, *, say: Say) -> FailedCells:
    """Run units as Ray tasks.

    If a worker process dies, Ray restarts the task, and the task continues from its last checkpoint.

    Args:
        work: The units that are not finished.
        out: The grid's directory.
        address: The address of a running cluster, or `LOCAL` to start a cluster on this machine.
        workers: The number of simultaneous tasks on a cluster that this function starts.
        say: A function that receives one line for each finished unit.

    Raises:
        RequestError: If Ray is not installed, or no cluster answers at the address.
        RunError: If a machine does not see the directory.
    """
    ray = require_ray()
    out.mkdir(parents=True, exist_ok=True)
    mark = out / f".seen-{uuid.uuid4().hex}"
    mark.touch()
    where = {"num_cpus": workers} if address == LOCAL else {"address": address}
    try:
        with warnings.catch_warnings():
            # Ray starts its processes by a fork that is followed by exec. JAX warns because it sees only the fork.
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
    """Run one unit in a Ray task; return ``("done", failures by seed)``, or why the unit could not be run."""
    unit, out = Unit.read(words)
    if not (out / mark).exists():
        return "unseen", f"{os.uname().nodename} does not see {out}: choose an --out that all machines share"
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
