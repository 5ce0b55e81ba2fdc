"""The picture that a PettingZoo environment renders, as an array.

Workers import this file, so it uses only the standard library, numpy and the environment's own imports.
"""

from typing import Any

import numpy as np

from hamlet.envs.conversion import Broken

# How many seconds a picture is shown if the environment declares no rate; the minimum; the maximum.
_SECONDS, _SHORTEST, _LONGEST = 0.1, 1 / 120, 2.0


def rendered(env: Any) -> tuple[np.ndarray, float]:
    """Render the current state: pixels ``[H, W, 3]`` in uint8, and how many seconds they are shown.

    Raises:
        Broken: ``render()`` returns no picture.
    """
    given = env.render()
    pixels = np.asarray(given)
    if given is None or pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[-1] not in (3, 4):
        what = "nothing" if given is None else f"{pixels.dtype} of shape {pixels.shape}"
        raise Broken(
            f"render() returns {what}, not a uint8 picture of height x width x 3: "
            'let its factory take render_mode="rgb_array"'
        )
    return np.ascontiguousarray(pixels[..., :3]), _seconds(env)


def _seconds(env: Any) -> float:
    """Return the display time from the environment's metadata, or the default."""
    rate = getattr(env, "metadata", {}).get("render_fps")
    if not isinstance(rate, int | float) or not rate > 0:
        return _SECONDS
    return min(max(1 / rate, _SHORTEST), _LONGEST)
