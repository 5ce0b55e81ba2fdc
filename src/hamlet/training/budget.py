"""What a run takes of memory: said before it is taken, and refused where there is not so much."""

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
# The share of memory that a rollout may take where it is large.
_ROLLOUT = 0.75
# By how much the rest of what is needed may be more than the compiler said of another request.
_MARGIN = 1.1
# From one try to the next, so many times the parts.
_STEP = 4


class TooLarge(RequestError):
    """A request needs more memory than there is.

    Attributes:
        reason: How much, and what there is.
        advice: A request like it that fits.
        parts: In how many parts its batch fits; None where these alone do not help.
    """

    def __init__(self, reason: str, advice: str, parts: int | None = None) -> None:
        super().__init__(f"{reason}; {advice}")
        self.reason, self.advice, self.parts = reason, advice, parts


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


def check_memory(algorithm: Algorithm, ring: Replay | None, used: Sequence[Device], say: Say) -> None:
    """Before anything is compiled or allocated: the bytes of the replay buffer.

    Raises:
        RequestError: If it does not fit; names one that does.
    """
    if ring is None:
        return
    there, size, steps = present(used), taken(ring), ring.steps.episode.size
    say(f"replay buffer of {steps:,} steps takes {size / 1e6:,.0f} MB")
    size *= times(used)
    if there is not None and size > there:
        raise RequestError(
            f"a replay buffer of {steps:,} steps takes {size / 1e9:,.1f} GB and the machine has "
            f"{there / 1e9:,.1f}; {_smaller(algorithm, steps, size, there)}"
        )


def describe(program: Program, used: Sequence[Device], say: Say) -> None:
    """What the compiled iterations need, their replay buffer included, before it is allocated.

    Raises:
        TooLarge: If it does not fit; names a request that does.
    """
    needed, rollout = (f"{count / 1e6:,.0f} MB" for count in (program.bytes_needed, program.rollout_bytes))
    say(f"compiled in {program.compile_seconds:.1f} s; needs {needed}, of which a rollout takes {rollout}")
    there = present(used)
    if there is not None and program.bytes_needed > there:
        raise refusal(program, used, there)


def refusal(program: Program, used: Sequence[Device], there: int) -> TooLarge:
    """That a program does not fit, and the largest request like it that does."""
    algorithm, ring = program.algorithm, program.ring
    reason = f"training needs {program.bytes_needed / 1e9:,.1f} GB and the machine has {there / 1e9:,.1f}"
    if ring is not None and (size := taken(ring) * times(used)) > program.bytes_needed / 2:
        return TooLarge(reason, _smaller(algorithm, ring.steps.episode.size, size, there))
    if program.rollout_bytes < _ROLLOUT * there and not _as_parted(program):
        parts = more_parts(program, used, there)
        return TooLarge(reason, f"try --gradient-accumulation {parts}", parts)
    return TooLarge(reason, _shorter(program, used, there))


def more_parts(program: Program, used: Sequence[Device], there: int) -> int:
    """In how many parts a batch is next tried: so many as should take half of what the rollout leaves, or a few more.

    They are as equal as the batch allows, and no more than it has: these where the rollout leaves nothing.
    """
    parts, largest = program.algorithm.accumulation or 1, _most(program)
    # Parts lessen neither what a rollout is kept in nor what is remembered of play.
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
    """Whether a batch is in as many parts as it can be."""
    return (program.algorithm.accumulation or 1) >= _most(program)


def _shorter(program: Program, used: Sequence[Device], there: int) -> str:
    """The advice: as many copies, else as many steps of one, as leave a quarter of the memory, or what a part needs.

    What a rollout is kept in grows with its steps, while the rest is divided by the parts of the batch.
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
    return "make what agents see smaller: not one step of one copy fits beside a part of the batch"


def _is_valid(program: Program, used: Sequence[Device], copies: int, steps: int) -> bool:
    """Whether a request for so many copies and steps would be taken."""
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
    """How often the ring is in one memory: devices of a CPU share theirs, and each has it whole."""
    return len(used) if used[0].platform == "cpu" else 1


def _smaller(algorithm: Algorithm, steps: int, size: int, there: int) -> str:
    """The advice: so many steps, or episodes, as take half of the memory, to two digits, if that is a batch or more."""
    sampling: Any = algorithm.sampling
    fits = sampling.holding(steps) * there // size // 2
    digits = 10 ** max(0, len(str(fits)) - 2)
    fits = fits // digits * digits
    return "try fewer --num-envs" if fits < sampling.least else f"try --buffer-size {fits}"
