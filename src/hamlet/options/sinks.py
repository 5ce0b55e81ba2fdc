"""The metrics sinks of a run: TensorBoard and Weights & Biases."""

import os
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hamlet.checkpoints import checkpoint
from hamlet.errors import RunError
from hamlet.extras import bring
from hamlet.files.atomic_write import one_line
from hamlet.runs.directory import RunDirectory
from hamlet.runs.metrics import Sink, TensorBoardSink, WandbSink

# The maximum length of a tag, and the environment variables of Weights & Biases that override these settings.
_TAG = 64
_VARIABLES = {"name": "WANDB_NAME", "group": "WANDB_RUN_GROUP", "tags": "WANDB_TAGS"}


def wanted(*, tensorboard: bool, wandb: bool) -> list[Callable[[Path], Sink]]:
    """Return functions that create the requested metrics sinks.

    Raises:
        RequestError: If a package cannot be imported; the message says how to install it.
    """
    makers: list[Callable[[Path], Sink]] = []
    for asked, package, option, maker in (
        (tensorboard, "tensorboardX", "--tensorboard", _tensorboard),
        (wandb, "wandb", "--wandb", _wandb),
    ):
        if asked:
            bring(package, option, f"leave out {option}")
            makers.append(maker)
    return makers


def _tensorboard(path: Path) -> Sink:
    steps = checkpoint.steps(RunDirectory(path).checkpoints)
    return TensorBoardSink(path / "tensorboard", resume_step=steps[-1] if steps else None)


def _wandb(path: Path) -> Sink:
    identity = path / "wandb-id"
    if not identity.exists():
        identity.write_text(uuid.uuid4().hex[:12], encoding="utf-8")
    config = RunDirectory(path).config()
    try:
        return WandbSink(
            path,
            project=os.environ.get("WANDB_PROJECT", "hamlet"),
            config=config,
            identity=identity.read_text(encoding="utf-8"),
            **_named(config),
        )
    except Exception as error:
        advice = "without an account, set WANDB_MODE=offline"
        raise RunError(f"Weights & Biases refused the run: {one_line(error)}; {advice}") from error


def _named(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return name, group and tags of a run for Weights & Biases, except those set by its environment variables.

    >>> _named({"algorithm_name": "happo", "environment_name": "grid/switch", "seed": 3})
    {'name': 'happo-grid/switch-seed-3', 'group': 'happo-grid/switch', 'tags': ['happo', 'grid/switch']}
    """
    algorithm, environment, preset = (config.get(name) for name in ("algorithm_name", "environment_name", "preset"))
    group = f"{algorithm}-{environment}"
    tags = [str(tag)[:_TAG] for tag in (algorithm, environment, preset) if tag]
    values = {"name": f"{group}-seed-{config.get('seed')}", "group": group, "tags": tags}
    return {name: value for name, value in values.items() if not os.environ.get(_VARIABLES[name])}
