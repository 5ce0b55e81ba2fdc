"""Gradient accumulation: the number of parts into which a batch is split, so that training fits into memory.

The gradients of the parts are summed. The number of parts is the configured one, or else the smallest number that fits:
1 if the whole batch fits. Hamlet finds the number before training starts. It compiles the whole program. If the
compiler reports that the program needs more memory than the machine has, Hamlet compiles it again with more parts. The
number is stored in the run's declaration, so a resumed run uses the same number.
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
    """Return the algorithm with its batch split into ``parts``; None leaves the algorithm's own number of parts."""
    return algorithm if parts is None else replace(algorithm, accumulation=parts)


def fitted(
    make: Callable[..., Program],
    algorithm: Algorithm,
    env: AnyEnvironment,
    used: Sequence[Device],
    check_memory: CheckMemory,
) -> tuple[Program, str | None]:
    """Compile the program with the fewest parts that fit into memory, and return it with a line to print about them.

    The line is None if the batch is not split.

    Args:
        make: Compiles an algorithm into a program.
        algorithm: The algorithm to train. If it sets a number of parts, that number is used.
        env: The environment to train on.
        used: The devices.
        check_memory: Receives the shapes of the replay buffer, and may refuse it.

    Raises:
        TooLarge: If the program does not fit with any number of parts. The error names a request that fits.
    """
    there, parts = budget.present(used), algorithm.accumulation or 1
    program = make(replace(algorithm, accumulation=parts), check_memory=check_memory)
    undivided_bytes = program.bytes_needed
    if there is None or algorithm.accumulation is not None:
        return program, None if parts == 1 else _said(parts, undivided_bytes, None)
    while program.bytes_needed > there:
        # If the rollout alone is too large, the smallest possible memory of the update decides the advice.
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
    return (
        f"the batch is split into {parts:,} parts whose gradients are summed: training needs {_size(needed)}{instead}"
    )


def _size(count: int) -> str:
    return f"{count / 1e6:,.0f} MB" if count < 1e9 else f"{count / 1e9:,.1f} GB"


def keep(directory: RunDirectory, program: Program, say: Callable[[str], None]) -> None:
    """Write the number of parts into config.json, if it was decided now: a resumed run needs the same number."""
    config, algorithm = directory.config(), configuration.encode(program.algorithm)
    if config["algorithm"].get("accumulation") != program.algorithm.accumulation:
        declaration.rewrite(directory, config | {"algorithm": algorithm}, say)
