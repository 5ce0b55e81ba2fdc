"""The tables of docs/results.md, from the records: ``make docs`` writes them between the page's markers.

One convention holds for all of them: m ± h is the mean over seeds and half the width of its 95 % interval (Student's
t). With one seed there is no interval, and so no ±.
"""

import json
import re
from pathlib import Path

import numpy as np
from scipy import stats

RECORDS = Path(__file__).parents[1] / "benchmarks" / "records"
MARKER = re.compile(r"<!-- table: (\S+) -->\n.*?<!-- end -->", re.DOTALL)

# Each table: its rows are (record, algorithm, preset or what differs, task, what is published for it).
SPREAD, SPEAKER, REFERENCE = "spread", "speaker-listener", "reference"
TABLES = {
    "on-policy": (
        ("learning-spread-continuous", "HAPPO", "`paper/mpe`", f"{SPREAD}, continuous"),
        ("learning-spread-continuous-as-written", "HAPPO", "`paper/mpe`, entropy 0.01", f"{SPREAD}, continuous"),
        ("learning-spread-continuous-tuned", "HAPPO", "`tuned/mpe`", f"{SPREAD}, continuous"),
        ("learning-spread-continuous-shared", "HAPPO", "`tuned/mpe/shared`", f"{SPREAD}, continuous"),
        ("learning-spread-hatrpo", "HATRPO", "`paper/mpe`", f"{SPREAD}, continuous"),
        ("learning-spread-mappo-shared", "MAPPO", "`paper/mpe`, shared", f"{SPREAD}, continuous"),
        ("learning-spread-mappo-unshared", "MAPPO", "`paper/mpe`, not shared", f"{SPREAD}, continuous"),
        ("learning-spread-discrete", "HAPPO", "`paper/mpe`", f"{SPREAD}, discrete"),
        ("learning-spread-discrete-tuned", "HAPPO", "`tuned/mpe`", f"{SPREAD}, discrete"),
        ("learning-spread-discrete-discount-0.8", "HAPPO", "`tuned/mpe`, discount 0.8", f"{SPREAD}, discrete"),
        ("learning-spread-discrete-shared", "HAPPO", "`tuned/mpe/shared`", f"{SPREAD}, discrete"),
        ("learning-spread-coma", "COMA", "`paper/mpe`", f"{SPREAD}, discrete"),
        ("learning-speaker-listener-continuous", "HAPPO", "`paper/mpe`", f"{SPEAKER}, continuous"),
        ("learning-speaker-listener-discrete", "HAPPO", "`paper/mpe`", f"{SPEAKER}, discrete"),
        ("learning-reference-continuous", "HAPPO", "`paper/mpe`", f"{REFERENCE}, continuous"),
        ("learning-reference-discrete", "HAPPO", "`paper/mpe`", f"{REFERENCE}, discrete"),
    ),
    "off-policy": (
        ("learning-spread-hatd3", "HATD3", "`paper/mpe`", f"{SPREAD}, continuous"),
        ("learning-spread-hatd3-tuned", "HATD3", "`tuned/mpe`", f"{SPREAD}, continuous"),
        ("learning-spread-matd3-tuned", "MATD3", "`tuned/mpe`", f"{SPREAD}, continuous"),
        ("learning-spread-haddpg", "HADDPG", "`paper/mpe`", f"{SPREAD}, continuous"),
        ("learning-spread-haddpg-tuned", "HADDPG", "`tuned/mpe`", f"{SPREAD}, continuous"),
        ("learning-speaker-listener-hasac-continuous", "HASAC", "`tuned/mpe`", f"{SPEAKER}, continuous"),
        ("learning-speaker-listener-hasac-discrete", "HASAC", "`tuned/mpe`", f"{SPEAKER}, discrete"),
        ("learning-speaker-listener-had3qn", "HAD3QN", "`paper/mpe`", f"{SPEAKER}, discrete"),
        ("learning-speaker-listener-had3qn-tuned", "HAD3QN", "`tuned/mpe`", f"{SPEAKER}, discrete"),
        ("learning-spread-vdn", "VDN", "`tuned/mpe`", f"{SPREAD}, discrete"),
        ("learning-spread-qmix", "QMIX", "`tuned/mpe`", f"{SPREAD}, discrete"),
    ),
    "general-sum": tuple(
        (f"learning-{task}-{name}", label, f"`paper/matrl/{preset}`", environment)
        for task, preset, environment in (
            ("checkers", "grid", "`grid/checkers`"),
            ("switch-4", "grid", "`grid/switch`, four agents"),
            ("hopper-3x1", "hopper", "`mamujoco/Hopper-3x1`"),
        )
        for name, label in (
            ("matrl", "MATRL"),
            ("il", "IL"),
            ("il_pp", "IL-PP"),
            ("matrl_without_response", "MATRL without best response"),
        )
    ),
    "mujoco": (
        ("learning-mamujoco-HalfCheetah-2x3", "HAPPO", "`paper/mamujoco`", "HalfCheetah-2x3"),
        ("learning-mamujoco-HalfCheetah-2x3-hatd3", "HATD3", "`paper/mamujoco`", "HalfCheetah-2x3"),
        ("learning-mamujoco-Hopper-3x1", "HAPPO", "`paper/mamujoco`", "Hopper-3x1"),
        ("learning-mamujoco-Humanoid-17x1-happo", "HAPPO", "`paper/mamujoco`", "Humanoid-17x1"),
        ("learning-mamujoco-Humanoid-17x1-mappo", "MAPPO", "`paper/mamujoco`, shared", "Humanoid-17x1"),
    ),
}
# Rewards that every agent receives whole: the sum over agents counts them as often as there are agents.
EQUAL_REWARDS = {"`mamujoco/Hopper-3x1`": 3}


def runs_of(record):
    """The runs of a record, one a seed."""
    result = record["result"]
    return result["runs"] if isinstance(result, dict) else result


def interval(values):
    """m ± h, the mean over seeds and half the width of its 95 % interval; of one seed the value alone."""
    values = np.asarray(values, float)
    digits = 0 if np.abs(values).max() >= 300 else 1
    mean = f"{values.mean():,.{digits}f}"
    if len(values) > 1:
        half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
        mean += f"\u00a0±\u00a0{half:,.{digits}f}"
    return mean.replace("-", "−")


def row(name, algorithm, preset, task):
    """One line of a table."""
    record = json.loads((RECORDS / f"{name}.json").read_text(encoding="utf-8"))
    runs, times = runs_of(record), EQUAL_REWARDS.get(task, 1)
    millions = f"{runs[0]['steps'] / 1e6:.2g} M"
    link = f"[record](../benchmarks/records/{name}.json)"
    mean = interval([run["mean"] / times for run in runs])
    return f"| {task} | {algorithm} | {preset} | {millions} | {len(runs)} | {mean} | {link} |"


def table(name):
    """A table in Markdown."""
    head = "| task | algorithm | preset | steps | seeds | mean return | |"
    return "\n".join([head, "|---" * 7 + "|", *(row(*entry) for entry in TABLES[name])])


def written(text):
    """A page with the tables between its markers."""
    return MARKER.sub(lambda found: f"<!-- table: {found[1]} -->\n\n{table(found[1])}\n\n<!-- end -->", text)
