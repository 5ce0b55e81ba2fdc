"""The check of random seeds."""

from typing import Any

import numpy as np

from hamlet.errors import RequestError

# The number of different seeds: a larger seed gives the same random key as a smaller one.
MOST = 2**32


def check_seed(seed: Any, count: int = 1) -> int:
    """Check that a seed is valid: a whole number that does not give the same random numbers as a smaller seed.

    Args:
        seed: The seed, or the first of several consecutive seeds.
        count: The number of consecutive seeds.

    Returns:
        The first seed.

    Raises:
        RequestError: A seed is not valid. The error names the nearest valid seed.

    >>> check_seed(2**32)
    Traceback (most recent call last):
    hamlet.errors.RequestError: --seed must be from 0 to 4294967295, got 4294967296; the nearest is 4294967295
    """
    if isinstance(seed, bool | np.bool_) or not isinstance(seed, int | np.integer):
        raise RequestError(f"--seed must be a whole number from 0 to {MOST - count}, got {seed!r}")
    if count > MOST:
        raise RequestError(f"--seeds must be at most {MOST}, got {count}; the nearest is {MOST}")
    if not 0 <= seed <= MOST - count:
        near = min(max(int(seed), 0), MOST - count)
        raise RequestError(f"--seed must be from 0 to {MOST - count}, got {seed}; the nearest is {near}")
    return int(seed)
