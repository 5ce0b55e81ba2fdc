"""In how many parts a batch is learnt from: one where that fits into memory, else as few as do, or what was asked for.

The number is found before anything is trained: the whole program is compiled, and where the compiler says that it needs
more than there is, it is compiled anew in parts. It stands in the declaration, so that a resumed run has the same.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from hamlet.envs.host import AnyEnvironment
from hamlet.errors import RequestError
from hamlet.learners import Algorithm
from hamlet.training import budget, configuration, declaration
from hamlet.training.check import most
from hamlet.training.directory import RunDirectory
from hamlet.training.learning import roster_of
from hamlet.training.program import Heed, Program
from hamlet.types import Device

# From one try to the next, so many times the parts.
_STEP = 4


def asked(algorithm: Algorithm, parts: int | None) -> Algorithm:
    """The declaration in so many parts; None for what it says itself."""
    return algorithm if parts is None else replace(algorithm, accumulation=parts)


def fitted(
    make: Callable[..., Program], algorithm: Algorithm, env: AnyEnvironment, used: Sequence[Device], heed: Heed
) -> tuple[Program, str | None]:
    """The program in as few parts as fit into memory, and what to say of them.

    Args:
        make: Compiles a declaration.
        algorithm: What is trained; where it says in how many parts, these are taken.
        env: On what.
        used: The devices.
        heed: Hears what is to be remembered of play.

    Raises:
        RequestError: If it does not fit in any number of parts; names a request that does.
    """
    there, largest = budget.present(used), most(algorithm, roster_of(algorithm, env))
    parts = algorithm.accumulation or 1
    program = make(replace(algorithm, accumulation=parts), heed=heed)
    whole = program.bytes_needed
    if there is None or algorithm.accumulation is not None:
        return program, None if parts == 1 else _said(parts, whole, None)
    while program.bytes_needed > there:
        if parts == largest:
            refusal = budget.refusal(program, used, there)
            program.close()
            raise RequestError(refusal)
        # Where the rollout alone is too large, what else is needed at the least decides what to advise.
        parts = largest if _fixed(program, used) >= there else _next(program, parts, largest, there, used)
        program.close()
        program = make(replace(algorithm, accumulation=parts))
    return program, None if parts == 1 else _said(parts, program.bytes_needed, whole)


def _said(parts: int, needed: int, whole: int | None) -> str:
    instead = "" if whole is None else f" instead of {_size(whole)}"
    return f"the batch is accumulated in {parts:,} parts: training needs {_size(needed)}{instead}"


def _size(count: int) -> str:
    return f"{count / 1e6:,.0f} MB" if count < 1e9 else f"{count / 1e9:,.1f} GB"


def _next(program: Program, parts: int, largest: int, there: int, used: Sequence[Device]) -> int:
    """So many parts as should take half of what the rollout leaves, if that is equal parts; else a few more."""
    fixed = _fixed(program, used)
    wanted = math.ceil(parts * (program.bytes_needed - fixed) / max(1, (there - fixed) / 2))
    wanted = min(max(wanted, _STEP * parts if parts > 1 else 2), largest)
    return next(count for count in range(wanted, largest + 1) if largest % count == 0)


def _fixed(program: Program, used: Sequence[Device]) -> int:
    """Bytes that parts do not lessen: what a rollout is kept in, and what is remembered of play."""
    ring = 0 if program.ring is None else budget.taken(program.ring) * budget.times(used)
    return program.rollout_bytes + ring


def keep(directory: RunDirectory, program: Program, say: Callable[[str], None]) -> None:
    """In how many parts a batch is learnt from, where that was found now: a resumed run needs the same."""
    config, algorithm = directory.config(), configuration.encode(program.algorithm)
    if config["algorithm"].get("accumulation") is None:
        declaration.rewrite(directory, config | {"algorithm": algorithm}, say)
