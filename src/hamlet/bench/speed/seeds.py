"""Compare two ways to train several seeds on this machine: sequentially, and simultaneously in separate processes."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from hamlet import presets
from hamlet.envs.mpe.simple_spread import SimpleSpread
from hamlet.training.run import train_seeds


def measure(work: Path, *, seeds: int = 2, steps: int = 1_000_000) -> dict[str, Any]:
    """Measure the wall seconds of ``seeds`` runs of HAPPO in both ways, including compilation, in a new directory."""
    env = SimpleSpread()
    out = work / str(time.time_ns())
    began = time.perf_counter()
    train_seeds(
        presets.find("paper/mpe", "happo", env)(),
        env,
        seeds={seed: out / f"one-after-another/seed-{seed}" for seed in range(seeds)},
        steps=steps,
        labels={},
        quiet=True,
    )
    after = time.perf_counter() - began
    command = [sys.executable, "-m", "hamlet.cli", "train", "happo", "mpe/simple_spread", "--quiet"]
    began = time.perf_counter()
    processes = [
        subprocess.Popen([*command, "--steps", str(steps), "--seed", str(seed), "--out", str(out / f"at-once-{seed}")])
        for seed in range(seeds)
    ]
    failed = [process.args for process in processes if process.wait()]
    if failed:
        raise RuntimeError(f"{failed} failed")
    at_once = time.perf_counter() - began
    return {"seeds": seeds, "steps": steps, "one_after_another_seconds": after, "at_once_seconds": at_once}
