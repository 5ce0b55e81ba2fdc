"""In how many parts a batch is learnt from: one where that fits into memory, else as few as do, or what was asked for.

The number is found before anything is trained: the whole program is compiled, and where the compiler says that it needs
more than there is, it is compiled anew in parts. It stands in the declaration, so that a resumed run has the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from hamlet.backends.backend import CheckMemory, Program
from hamlet.envs.host import AnyEnvironment
from hamlet.learners import Algorithm
from hamlet.runs import configuration, declaration
from hamlet.runs.directory import RunDirectory
from hamlet.training import budget
from hamlet.types import Device


def asked(algorithm: Algorithm, parts: int | None) -> Algorithm:
    """The declaration in so many parts; None for what it says itself."""
    return algorithm if parts is None else replace(algorithm, accumulation=parts)


def fitted(
    make: Callable[..., Program],
    algorithm: Algorithm,
    env: AnyEnvironment,
    used: Sequence[Device],
    check_memory: CheckMemory,
) -> tuple[Program, str | None]:
    """The program in as few parts as fit into memory, and what to say of them.

    Args:
        make: Compiles a declaration.
        algorithm: What is trained; where it says in how many parts, these are taken.
        env: On what.
        used: The devices.
        check_memory: Gets the shapes of the replay buffer, and may refuse it.

    Raises:
        TooLarge: If it does not fit in any number of parts; names a request that does.
    """
    there, parts = budget.present(used), algorithm.accumulation or 1
    program = make(replace(algorithm, accumulation=parts), check_memory=check_memory)
    undivided_bytes = program.bytes_needed
    if there is None or algorithm.accumulation is not None:
        return program, None if parts == 1 else _said(parts, undivided_bytes, None)
    while program.bytes_needed > there:
        # Where the rollout alone is too large, what else is needed at the least decides what to advise.
        more = budget.more_parts(program, used, there)
        if more == parts:
            refusal = budget.refusal(program, used, there)
            program.close()
            raise refusal
        parts = more
        program.close()
        program = make(replace(algorithm, accumulation=parts))
    return program, None if parts == 1 else _said(parts, program.bytes_needed, undivided_bytes)


def _said(parts: int, needed: int, whole: int | None) -> str:
    instead = "" if whole is None else f" instead of {_size(whole)}"
    return f"the batch is accumulated in {parts:,} parts: training needs {_size(needed)}{instead}"


def _size(count: int) -> str:
    return f"{count / 1e6:,.0f} MB" if count < 1e9 else f"{count / 1e9:,.1f} GB"


def keep(directory: RunDirectory, program: Program, say: Callable[[str], None]) -> None:
    """In how many parts a batch is learnt from, where that was decided now: a resumed run needs the same."""
    config, algorithm = directory.config(), configuration.encode(program.algorithm)
    if config["algorithm"].get("accumulation") != program.algorithm.accumulation:
        declaration.rewrite(directory, config | {"algorithm": algorithm}, say)
