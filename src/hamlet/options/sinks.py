"""Who else hears the metrics of a run: TensorBoard, Weights & Biases."""

import os
import uuid
from collections.abc import Callable
from pathlib import Path

from hamlet.checkpoints import checkpoint
from hamlet.errors import RunError
from hamlet.extras import bring
from hamlet.files.atomic_write import one_line
from hamlet.runs.directory import RunDirectory
from hamlet.runs.metrics import Sink, TensorBoardSink, WandbSink


def wanted(*, tensorboard: bool, wandb: bool) -> list[Callable[[Path], Sink]]:
    """Makers of the sinks that were asked for.

    Raises:
        RequestError: If a package cannot be imported; says what installs it.
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
    try:
        return WandbSink(
            path,
            project=os.environ.get("WANDB_PROJECT", "hamlet"),
            name=path.name,
            config=RunDirectory(path).config(),
            identity=identity.read_text(encoding="utf-8"),
        )
    except Exception as error:
        advice = "without an account, set WANDB_MODE=offline"
        raise RunError(f"Weights & Biases refused the run: {one_line(error)}; {advice}") from error
