"""The memory that a run needs: printed before it is allocated; a run that does not fit is refused."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax

from hamlet import machine
from hamlet.backends import devices
from hamlet.backends.backend import Program
from hamlet.backends.iteration import roster_of
from hamlet.backends.select import backend_of
from hamlet.buffers.replay import Replay
from hamlet.errors import RequestError
from hamlet.learners import Algorithm
from hamlet.training.check import check, most
from hamlet.types import Device

Say = Callable[[str], None]
# The largest share of the memory that an advised rollout may take.
_ROLLOUT = 0.75
# Safety factor: another request may need this many times the memory that the compiler reported for this one.
_MARGIN = 1.1
# Each further try multiplies the number of parts by at least this factor.
_STEP = 4


class TooLarge(RequestError):
    """A request needs more memory than the machine has.

    Attributes:
        reason: The memory that the request needs, and the memory that the machine has.
        advice: A similar request that fits.
        parts: The number of parts into which to split the batch so that it fits; None if splitting alone is not enough.
    """

    def __init__(self, reason: str, advice: str, parts: int | None = None) -> None:
        super().__init__(f"{reason}; {advice}")
        self.reason, self.advice, self.parts = reason, advice, parts


def present(used: Sequence[Device]) -> int | None:
    """Return the memory in bytes of the machine (CPU) or of the smallest device; None if a device reports none."""
    if used[0].platform == "cpu":
        return machine.memory()
    known = [(device.memory_stats() or {}).get("bytes_limit") for device in used]
    return None if None in known else min(int(limit) for limit in known)  # type: ignore[arg-type]


def taken(tree: Any) -> int:
    """Return the bytes of a pytree of arrays, or of array shapes.

    >>> taken({"reward": jax.ShapeDtypeStruct((10, 2), "float32")})
    80
    """
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def check_memory(algorithm: Algorithm, ring: Replay | None, used: Sequence[Device], say: Say) -> None:
    """Print the size of the replay buffer, and refuse one that is too large, before compilation and allocation.

    Raises:
        RequestError: If the replay buffer does not fit. The error names one that does.
    """
    if ring is None:
        return
    there, size, steps = present(used), taken(ring), ring.steps.episode.size
    say(f"the replay buffer of {steps:,} steps takes {size / 1e6:,.0f} MB")
    size *= times(used)
    if there is not None and size > there:
        raise RequestError(
            f"a replay buffer of {steps:,} steps takes {size / 1e9:,.1f} GB, but the machine has only "
            f"{there / 1e9:,.1f} GB; {_smaller(algorithm, steps, size, there)}"
        )


def describe(program: Program, used: Sequence[Device], say: Say) -> None:
    """Print the memory that the compiled iterations need, including the replay buffer, before it is allocated.

    Raises:
        TooLarge: If the program does not fit. The error names a request that does.
    """
    needed, rollout = (f"{count / 1e6:,.0f} MB" for count in (program.bytes_needed, program.rollout_bytes))
    say(f"compiled in {program.compile_seconds:.1f} s; training needs {needed}, of which a rollout takes {rollout}")
    there = present(used)
    if there is not None and program.bytes_needed > there:
        raise refusal(program, used, there)


def refusal(program: Program, used: Sequence[Device], there: int) -> TooLarge:
    """Return the error for a program that does not fit; it names the largest similar request that fits."""
    algorithm, ring = program.algorithm, program.ring
    reason = (
        f"training needs {program.bytes_needed / 1e9:,.1f} GB of memory, but the machine has only {there / 1e9:,.1f} GB"
    )
    if ring is not None and (size := taken(ring) * times(used)) > program.bytes_needed / 2:
        return TooLarge(reason, _smaller(algorithm, ring.steps.episode.size, size, there))
    if program.rollout_bytes < _ROLLOUT * there and not _as_parted(program):
        parts = more_parts(program, used, there)
        return TooLarge(reason, f"try --gradient-accumulation {parts}", parts)
    return TooLarge(reason, _shorter(program, used, there))


def more_parts(program: Program, used: Sequence[Device], there: int) -> int:
    """Return the number of parts to try next.

    The update should then need half of the memory that the rollout leaves free. The number divides the batch into equal
    parts, so it may be a little larger. It is at most the largest number of parts that the batch allows; it equals
    this largest number if the rollout leaves no memory free.
    """
    parts, largest = program.algorithm.accumulation or 1, _most(program)
    # More parts reduce neither the memory of a rollout nor the memory of the replay buffer.
    ring = 0 if program.ring is None else taken(program.ring) * times(used)
    fixed = program.rollout_bytes + ring
    if fixed >= there:
        return largest
    wanted = math.ceil(parts * (program.bytes_needed - fixed) / max(1, (there - fixed) / 2))
    wanted = min(max(wanted, _STEP * parts if parts > 1 else 2), largest)
    return next(count for count in range(wanted, largest + 1) if largest % count == 0)


def _most(program: Program) -> int:
    return most(program.algorithm, roster_of(program.algorithm, program.env))


def _as_parted(program: Program) -> bool:
    """Whether the batch is already split into the largest possible number of parts."""
    return (program.algorithm.accumulation or 1) >= _most(program)


def _shorter(program: Program, used: Sequence[Device], there: int) -> str:
    """Return the advice for a smaller rollout: fewer environment copies, or else fewer steps of a single copy.

    The advised rollout leaves free a quarter of the memory, or the memory that one part of the batch needs if that is
    more. The memory of a rollout grows with its steps; the memory of the update is divided by the number of parts.
    """
    sampling = program.algorithm.sampling
    part = program.bytes_needed - program.rollout_bytes if _as_parted(program) else 0
    room = min(_ROLLOUT * there, there - _MARGIN * part)
    steps = int(room * sampling.batch / max(1, program.rollout_bytes))
    for copies in range(min(sampling.copies - 1, steps // sampling.steps), 0, -1):
        if _is_valid(program, used, copies, sampling.steps):
            return f"try --num-envs {copies}"
    for count in range(min(sampling.steps - 1, steps), 0, -1):
        if _is_valid(program, used, 1, count):
            return f"try --num-envs 1 --rollout-length {count}"
    return "use smaller observations: not even one step of one environment copy fits beside a part of the batch"


def _is_valid(program: Program, used: Sequence[Device], copies: int, steps: int) -> bool:
    """Whether Hamlet would accept a request with these numbers of environment copies and steps."""
    algorithm = program.algorithm
    sampling = replace(algorithm.sampling, copies=copies, steps=steps)
    asked = replace(algorithm, sampling=sampling, accumulation=None)
    try:
        check(asked, backend_of(program.env).sized(copies), steps=1)
        devices.layout(list(used), copies)
    except RequestError:
        return False
    return True


def times(used: Sequence[Device]) -> int:
    """Return how often the replay buffer is in one memory: CPU devices share one memory, and each stores the whole."""
    return len(used) if used[0].platform == "cpu" else 1


def _smaller(algorithm: Algorithm, steps: int, size: int, there: int) -> str:
    """Return the advice for a smaller replay buffer, which takes half of the memory.

    The size is counted in steps or episodes and rounded down to two digits. If it is smaller than a batch, the advice
    is to use fewer environment copies.
    """
    sampling: Any = algorithm.sampling
    fits = sampling.holding(steps) * there // size // 2
    digits = 10 ** max(0, len(str(fits)) - 2)
    fits = fits // digits * digits
    return "try fewer --num-envs" if fits < sampling.least else f"try --buffer-size {fits}"
