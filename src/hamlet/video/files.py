"""Write a sequence of images as a video: a GIF with Pillow, an MP4 with PyAV."""

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

# A GIF shows a frame for a whole number of hundredths of a second, at least two.
_HUNDREDTHS, _SHORTEST = 100, 2


def write(path: Path, images: Iterator[Any], rate: float) -> None:
    """Write a complete video, or no file if an error occurs.

    Args:
        path: A file that `check` accepts.
        images: Pillow images, all of the same size, at least one.
        rate: The number of frames per second.

    Raises:
        RunError: The file cannot be written.
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
    """Refuse a file that cannot be written.

    Raises:
        RequestError: It has another suffix, it is a directory, or the package that writes it is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in _WRITERS:
        near = difflib.get_close_matches(suffix, _WRITERS, n=1)
        advice = f"; the nearest is {path.with_suffix(near[0])}" if near else ""
        raise RequestError(f"a video must be a .gif, or for long episodes an .mp4, got {path.name}{advice}")
    require(not path.is_dir(), f"{path} is a directory: give a file, as in {path / 'episode.gif'}")
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
        stream.pix_fmt = "yuv420p"  # the format that every player supports
        stream.options = {"crf": "20"}
        for number, image in enumerate(images):
            if number == 0:
                stream.width, stream.height = image.size
            frame = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


_WRITERS: dict[str, Callable[[Path, Iterator[Any], float], None]] = {".gif": _gif, ".mp4": _mp4}
