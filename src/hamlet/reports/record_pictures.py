"""The agents in motion where an environment renders itself: an episode as small pictures that a page shows in turn."""

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

# Pixels of the longer side of a picture.
_WIDTH = 360
# Of an episode at most: bytes on the page, and pictures.
_BYTES, _PICTURES = 600_000, 150
# Pictures a second that are enough.
_MOST = 20


def pictures(frames: Iterable[Frame], camera: Camera, names: Sequence[str]) -> dict[str, Any]:
    """An episode as JSON: a picture of every so-manieth moment, so that all of them take at most 0.6 MB.

    Args:
        frames: The moments of the episode, at least one.
        camera: What renders them.
        names: The agents, in the order of rewards.

    Raises:
        RequestError: Pillow is absent.
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
    """As the address of an image in a page."""
    kind = "webp" if imaging("features").check("webp") else "jpeg"
    file = io.BytesIO()
    image.save(file, kind, quality=70)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
