"""Atari 2600 games for two players, by name."""

from hamlet import extras
from hamlet.envs.atari import pong as game
from hamlet.envs.pettingzoo.environment import PettingZoo, from_pettingzoo
from hamlet.errors import require


def pong(
    *,
    size: int = 84,
    skip: int = 4,
    stack: int = 4,
    noops: int = 30,
    max_steps: int = 5_000,
    processes: int | None = None,
) -> PettingZoo:
    """Pong for two learning players, from pixels.

    Args:
        size: The height and width of a screen in an observation; learning from 42 is cheaper than from 84.
        skip: The number of frames from one action to the next.
        stack: The number of screens in an observation.
        noops: The largest number of idle frames at the start of an episode; the number is sampled for each episode.
        max_steps: The number of steps of an episode; at least 1.
        processes: The number of worker processes for all copies; None for one per core. It does not change results.

    Raises:
        RequestError: The optional packages are not installed, or a value is out of range.
    """
    for package in game.PACKAGES:  # not imported here: the workers import them
        require(extras.installed(package), extras.absent(package, "atari/pong", extra="atari"))
    require(8 <= size <= min(game.SCREEN), f"size must be 8 to {min(game.SCREEN)}, got {size}")
    require(skip >= 1, f"skip must be at least 1, got {skip}")
    require(stack >= 1, f"stack must be at least 1, got {stack}")
    require(noops >= 0, f"noops must be at least 0, got {noops}")
    require(max_steps >= 1, f"max_steps must be at least 1, got {max_steps}")
    return from_pettingzoo(
        "hamlet.envs.atari.pong:parallel_env",
        processes=processes,
        size=size,
        skip=skip,
        stack=stack,
        noops=noops,
        max_steps=max_steps,
    )
