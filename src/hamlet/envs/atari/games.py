"""Games of the Atari 2600 for two players, by name."""

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
    """Pong against each other, from pixels.

    Args:
        size: Height and width of a screen as agents see it; 42 costs less than 84 to learn from.
        skip: Frames from one action to the next.
        stack: How many screens are seen at once.
        noops: An episode begins with so many idle frames at most, drawn anew for each.
        max_steps: Steps of an episode; at least 1.
        processes: Worker processes of all copies; None for one a core. It changes no result.

    Raises:
        RequestError: The extra is not installed, or a value is out of range.
    """
    for package in game.PACKAGES:  # not imported here: workers do that
        require(extras.installed(package), extras.absent(package, "atari/pong", extra="atari"))
    require(8 <= size <= min(game.SCREEN), f"size must be 8 to {min(game.SCREEN)}, not {size}")
    require(skip >= 1, f"skip must be at least 1, not {skip}")
    require(stack >= 1, f"stack must be at least 1, not {stack}")
    require(noops >= 0, f"noops must not be negative: {noops}")
    require(max_steps >= 1, f"max_steps must be at least 1, not {max_steps}")
    return from_pettingzoo(
        "hamlet.envs.atari.pong:parallel_env",
        processes=processes,
        size=size,
        skip=skip,
        stack=stack,
        noops=noops,
        max_steps=max_steps,
    )
