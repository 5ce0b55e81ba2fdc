"""Measure the time of a report: three algorithms on three tasks, five seeds each, 2,500 rollouts per run."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from hamlet import envs, presets
from hamlet.api import train
from hamlet.bench.baseline import runs
from hamlet.errors import RunError
from hamlet.reports.report import PAGE
from hamlet.runs import manifest

SEEDS = 5


def measure(work: Path) -> dict[str, Any]:
    """Write synthetic runs and one briefly trained policy per task, and time ``hamlet report`` on them twice.

    In the second call, the compiled programs are in the cache, as for a user who has made a report before.

    Raises:
        RunError: If the command failed.
    """
    shutil.rmtree(work, ignore_errors=True)
    described = manifest.describe()
    for algorithm in runs.ALGORITHMS:
        for task in runs.TASKS:
            for seed in range(SEEDS):
                runs.make(
                    _place(work, algorithm, task, seed), algorithm, task, seed, evaluations=50, described=described
                )
    for task in runs.TASKS:
        env = envs.make(task)
        declared = presets.find("paper/mpe", "happo", env)()
        trained = train(declared, env, steps=declared.sampling.batch, out=work / "trained" / task[4:], quiet=True)
        shutil.copytree(trained.path / "checkpoints", _place(work, "happo", task, 0) / "checkpoints")
    out, cache = work / "report", work / "cache"
    seconds = [_timed(work / "runs", out, cache) for _ in range(2)]
    page = (out / PAGE).read_text(encoding="utf-8")
    return {
        "runs": len(runs.ALGORITHMS) * len(runs.TASKS) * SEEDS,
        "seconds": seconds[0],
        "seconds_with_programs_cached": seconds[1],
        "page_megabytes": (out / PAGE).stat().st_size / 1e6,
        "films": page.count('"frames":') // 2,
    }


def _place(work: Path, algorithm: str, task: str, seed: int) -> Path:
    return work / "runs" / f"{algorithm}-{task[4:]}" / f"seed-{seed}"


def _timed(runs_directory: Path, out: Path, cache: Path) -> float:
    """Run ``hamlet report`` in a separate process, and return its wall seconds."""
    environment = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    words = [sys.executable, "-m", "hamlet.cli", "report", str(runs_directory), "--out", str(out)]
    began = time.perf_counter()
    done = subprocess.run(words, env=environment | {"HAMLET_CACHE": str(cache)}, capture_output=True, text=True)
    if done.returncode:
        raise RunError(f"hamlet report failed: {done.stderr.strip()}")
    return time.perf_counter() - began
