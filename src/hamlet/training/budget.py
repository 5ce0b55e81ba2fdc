"""What a run takes of memory: said before it is taken, and refused where there is not so much."""

from collections.abc import Callable, Sequence
from typing import Any

import jax

from hamlet import machine
from hamlet.buffers.replay import Replay
from hamlet.errors import RequestError
from hamlet.haml.sampling import EpisodeReplay, OnPolicy
from hamlet.learners import Algorithm
from hamlet.training.program import Program
from hamlet.types import Device

Say = Callable[[str], None]


def present(used: Sequence[Device]) -> int | None:
    """Bytes of memory where the devices compute: the machine's, or the least of the cards'; None if nobody says."""
    if used[0].platform == "cpu":
        return machine.memory()
    known = [(device.memory_stats() or {}).get("bytes_limit") for device in used]
    return None if None in known else min(int(limit) for limit in known)  # type: ignore[arg-type]


def taken(tree: Any) -> int:
    """Bytes of a tree of arrays, or of their shapes.

    >>> taken({"reward": jax.ShapeDtypeStruct((10, 2), "float32")})
    80
    """
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def heed(algorithm: Algorithm, ring: Replay | None, used: Sequence[Device], say: Say) -> None:
    """Before anything is compiled or allocated: the bytes of the replay buffer.

    Raises:
        RequestError: If it does not fit; names one that does.
    """
    if ring is None:
        return
    there, size, steps = present(used), taken(ring), ring.steps.episode.size
    say(f"replay buffer of {steps:,} steps takes {size / 1e6:,.0f} MB")
    size *= _times(used)
    if there is not None and size > there:
        raise RequestError(
            f"a replay buffer of {steps:,} steps takes {size / 1e9:,.1f} GB and the machine has "
            f"{there / 1e9:,.1f}; {_smaller(algorithm, steps, size, there)}"
        )


def describe(program: Program, used: Sequence[Device], say: Say) -> None:
    """What the compiled iterations need, their replay buffer included, before it is allocated.

    Raises:
        RequestError: If it does not fit; names a request that does.
    """
    needed, rollout = (f"{count / 1e6:,.0f} MB" for count in (program.bytes_needed, program.rollout_bytes))
    say(f"compiled in {program.compile_seconds:.1f} s; needs {needed}, of which a rollout takes {rollout}")
    there, algorithm = present(used), program.algorithm
    if there is None or program.bytes_needed <= there:
        return
    said = f"training needs {program.bytes_needed / 1e9:,.1f} GB and the machine has {there / 1e9:,.1f}"
    ring = program.ring
    if ring is not None and (size := taken(ring) * _times(used)) > program.bytes_needed / 2:
        raise RequestError(f"{said}; {_smaller(algorithm, ring.steps.episode.size, size, there)}")
    fits = max(1, int(algorithm.sampling.copies * there / program.bytes_needed / 2))
    raise RequestError(f"{said}; try --copies {fits}, or fewer --steps-per-rollout")


def _times(used: Sequence[Device]) -> int:
    """How often the ring is in one memory: devices of a CPU share theirs, and each has it whole."""
    return len(used) if used[0].platform == "cpu" else 1


def _smaller(algorithm: Algorithm, steps: int, size: int, there: int) -> str:
    """The advice: so many steps, or episodes, as take half of the memory, to two digits, if that is a batch or more."""
    sampling = algorithm.sampling
    assert not isinstance(sampling, OnPolicy)
    episodes = isinstance(sampling, EpisodeReplay)
    fits = (sampling.capacity if episodes else steps) * there // size // 2
    digits = 10 ** max(0, len(str(fits)) - 2)
    fits = fits // digits * digits
    least = sampling.samples if episodes else max(sampling.samples, sampling.batch)
    return "try fewer --copies" if fits < least else f"try --buffer-size {fits}"
