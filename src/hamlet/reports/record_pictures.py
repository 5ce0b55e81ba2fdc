"""Animations for environments that render themselves: an episode as a sequence of small pictures for the page."""

import base64
import io
import math
from collections.abc import Iterable, Sequence
from typing import Any

from hamlet.envs.camera import Camera
from hamlet.rollouts.record_episode import Frame
from hamlet.video.captions import is_zero_sum, returned
from hamlet.video.drawing import imaging
from hamlet.video.moments import Moment, moments
from hamlet.video.views import scaled

# Length of a picture's longer side, in pixels.
_WIDTH = 360
# The largest number of bytes and of pictures that an episode takes on the page.
_BYTES, _PICTURES = 600_000, 150
# The largest number of pictures per second.
_MOST = 20


def pictures(frames: Iterable[Frame], camera: Camera, names: Sequence[str]) -> dict[str, Any]:
    """Return an episode as JSON values, with pictures at regular intervals and of the last time step.

    The interval is chosen so that an episode has about 150 pictures and 0.6 MB at most, and 20 pictures per second.

    Args:
        frames: The time steps of the episode, at least one.
        camera: The camera that renders the time steps.
        names: Names of the agents, in the order of the rewards.

    Raises:
        RequestError: Pillow is not installed.
        RunError: The environment cannot be played or rendered.
    """
    shown: list[Moment] = []
    encoded: list[str] = []
    seconds, size = 0.1, (1, 1)
    for moment in moments(frames):
        picture = camera.picture(moment.state)
        image, seconds = scaled(picture, _WIDTH), picture.seconds
        size = image.size
        shown.append(moment)
        encoded.append(_encoded(image))
    stride = max(
        math.ceil(len(shown) / _PICTURES),
        math.ceil(sum(map(len, encoded)) / _BYTES),
        math.ceil(1 / (seconds * _MOST)),
    )
    chosen = sorted({*range(0, len(shown), stride), len(shown) - 1})
    zero_sum = is_zero_sum(shown[-1].returns)
    return {
        "frames": len(chosen),
        "interval": round(seconds * stride, 4),
        "view": [0, 0, *size],
        "pictures": [encoded[number] for number in chosen],
        "steps": [shown[number].step for number in chosen],
        "captions": [returned(names, shown[number].returns) for number in chosen] if zero_sum else None,
        "totals": None if zero_sum else [round(float(shown[number].returns.sum()), 3) for number in chosen],
        "key": [],
    }


def _encoded(image: Any) -> str:
    """Return an image as a data URL."""
    kind = "webp" if imaging("features").check("webp") else "jpeg"
    file = io.BytesIO()
    image.save(file, kind, quality=70)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
