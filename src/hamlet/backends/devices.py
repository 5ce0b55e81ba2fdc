"""Which devices a run uses, and how its state lies on them: copies of the environment shared out, the rest repeated."""

import shutil
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from hamlet.backends.iteration import Training
from hamlet.errors import RequestError
from hamlet.extras import install_line
from hamlet.types import Device


def select(platform: str | None) -> list[Device]:
    """The devices of a platform ("cpu", "gpu", "tpu"), or those JAX prefers.

    Raises:
        RequestError: If JAX has none.
    """
    try:
        return jax.devices(platform) if platform else jax.devices()
    except RuntimeError:
        present = jax.devices()[0].platform
        extra = f"; for NVIDIA cards: {_install_cuda()}" if platform in ("gpu", "cuda") else ""
        raise RequestError(f"JAX has no {platform} here; the nearest is --device {present}{extra}") from None


def overlooked_gpu() -> str | None:
    """A line to print where JAX sits on the CPU though the machine has an NVIDIA card, else None."""
    if jax.default_backend() != "cpu" or shutil.which("nvidia-smi") is None:
        return None
    return f"JAX runs on the CPU although this machine has a GPU; JAX for it comes with: {_install_cuda()}"


def _install_cuda() -> str:
    return install_line("cuda", "jax[cuda13]")


class DeviceLayout(NamedTuple):
    """How arrays lie on some devices."""

    mesh: Mesh

    @property
    def repeated(self) -> NamedSharding:
        """Whole, on each."""
        return NamedSharding(self.mesh, PartitionSpec())

    def shared(self, axis: int) -> NamedSharding:
        """Shared out along an axis, that of the copies."""
        return NamedSharding(self.mesh, PartitionSpec(*[None] * axis, "copies"))

    def learner(self, learner: Any) -> Any:
        """For every leaf of a learner: repeated, but for the critic's memory of the copies."""
        placed = jax.tree.map(lambda _: self.repeated, learner)
        return eqx.tree_at(lambda tree: tree.memory, placed, jax.tree.map(lambda _: self.shared(1), learner.memory))


def layout(devices: list[Device], copies: int) -> DeviceLayout:
    """How a run's arrays lie on its devices.

    Raises:
        RequestError: If the devices do not divide the copies.
    """
    count = len(devices)
    if copies % count:
        near = max(count, round(copies / count) * count)
        raise RequestError(f"--num-envs {copies} is not divided by {count} devices; the nearest is --num-envs {near}")
    return DeviceLayout(Mesh(np.asarray(devices), ("copies",)))


def shardings(training: Any, devices: list[Device], copies: int) -> Any:
    """For every leaf of the training state of compiled games, where its parts lie.

    Raises:
        RequestError: If the devices do not divide the copies.
    """
    lay = layout(devices, copies)
    assert isinstance(training, Training)
    play = jax.tree.map(lambda _: lay.shared(0), training.play)
    placed = jax.tree.map(lambda _: lay.repeated, training)
    return eqx.tree_at(lambda t: (t.play, t.learner), placed, (play, lay.learner(training.learner)))
