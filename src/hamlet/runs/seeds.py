"""The seeds that there are."""

from typing import Any

import numpy as np

from hamlet.errors import RequestError

# Seeds beyond give the same keys as seeds within.
MOST = 2**32


def check_seed(seed: Any, count: int = 1) -> int:
    """Refuse what is no seed, or would give the numbers of another.

    Args:
        seed: The first.
        count: How many seeds follow one another.

    Returns:
        The first seed.

    Raises:
        RequestError: With the nearest that is one.

    >>> check_seed(2**32)
    Traceback (most recent call last):
    hamlet.errors.RequestError: --seed must lie between 0 and 4294967295, not at 4294967296; the nearest is 4294967295
    """
    if isinstance(seed, bool | np.bool_) or not isinstance(seed, int | np.integer):
        raise RequestError(f"--seed is a whole number from 0 to {MOST - count}, not {seed!r}")
    if count > MOST:
        raise RequestError(f"--seeds must be at most {MOST}, not {count}; the nearest is {MOST}")
    if not 0 <= seed <= MOST - count:
        near = min(max(int(seed), 0), MOST - count)
        raise RequestError(f"--seed must lie between 0 and {MOST - count}, not at {seed}; the nearest is {near}")
    return int(seed)
