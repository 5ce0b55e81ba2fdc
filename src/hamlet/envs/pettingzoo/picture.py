"""What a PettingZoo environment renders, as an array.

Workers import this file: it needs the standard library, numpy and what the environment itself has imported.
"""

from typing import Any

import numpy as np

from hamlet.envs.conversion import Broken

# For how long a moment is shown where the environment does not say, and at least and at most.
_SECONDS, _SHORTEST, _LONGEST = 0.1, 1 / 120, 2.0


def rendered(env: Any) -> tuple[np.ndarray, float]:
    """The pixels of the moment, ``[H, W, 3]`` of uint8, and the seconds for which they are shown.

    Raises:
        Broken: ``render()`` gives no picture.
    """
    given = env.render()
    pixels = np.asarray(given)
    if given is None or pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[-1] not in (3, 4):
        what = "nothing" if given is None else f"{pixels.dtype} of shape {pixels.shape}"
        raise Broken(
            f"render() gives {what}, no picture of bytes, height x width x 3: "
            'let its factory take render_mode="rgb_array"'
        )
    return np.ascontiguousarray(pixels[..., :3]), _seconds(env)


def _seconds(env: Any) -> float:
    """As its metadata say, if they do."""
    rate = getattr(env, "metadata", {}).get("render_fps")
    if not isinstance(rate, int | float) or not rate > 0:
        return _SECONDS
    return min(max(1 / rate, _SHORTEST), _LONGEST)
