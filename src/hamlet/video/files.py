"""Images written as a video, one after another: a GIF by Pillow, an MP4 by PyAV."""

import difflib
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from hamlet.errors import RequestError, RunError, require
from hamlet.extras import bring
from hamlet.files.atomic_write import one_line
from hamlet.video.drawing import imaging

# Of GIF, in which a frame is shown for a whole number of hundredths of a second, at least two.
_HUNDREDTHS, _SHORTEST = 100, 2


def write(path: Path, images: Iterator[Any], rate: float) -> None:
    """Write a video, wholly or not at all.

    Args:
        path: Of one of the kinds that `check` lets pass.
        images: Of Pillow, all of one size, at least one.
        rate: Frames a second.

    Raises:
        RunError: It cannot be written.
    """
    aside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix.lower()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _WRITERS[path.suffix.lower()](aside, images, rate)
        aside.replace(path)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {one_line(error)}") from error
    finally:
        aside.unlink(missing_ok=True)


def check(path: Path) -> None:
    """Refuse a file that would not be written.

    Raises:
        RequestError: It has another ending, it is a directory, or what writes it is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in _WRITERS:
        near = difflib.get_close_matches(suffix, _WRITERS, n=1)
        advice = f"; the nearest is {path.with_suffix(near[0])}" if near else ""
        raise RequestError(f"a video is a .gif, or for long episodes an .mp4, not {path.name}{advice}")
    require(not path.is_dir(), f"{path} is a directory: name a file, as in {path / 'episode.gif'}")
    imaging()
    if suffix == ".mp4":
        bring("av", "an MP4", "write a .gif")


def _gif(path: Path, images: Iterator[Any], rate: float) -> None:
    hundredths = max(_SHORTEST, round(_HUNDREDTHS / rate))
    first = next(images)
    first.save(path, save_all=True, append_images=images, duration=10 * hundredths, loop=0)


def _mp4(path: Path, images: Iterator[Any], rate: float) -> None:
    av = bring("av", "an MP4")
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("h264", rate=Fraction(rate).limit_denominator(1000))
        stream.pix_fmt = "yuv420p"  # which every player takes
        stream.options = {"crf": "20"}
        for number, image in enumerate(images):
            if number == 0:
                stream.width, stream.height = image.size
            frame = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


_WRITERS: dict[str, Callable[[Path, Iterator[Any], float], None]] = {".gif": _gif, ".mp4": _mp4}
