"""Draw scenes with Pillow as the report's page draws them: shapes in the agents' colours, with smooth edges."""

import contextlib
import math
from collections.abc import Callable
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any

from hamlet.envs.scene import AGENT_COLOURS, Cell, Circle, Colour, Label, Scene, Segment
from hamlet.extras import bring

CARD, INK, SOFT, HAIR = "#ffffff", "#1b1f23", "#57606a", "#e1e3e0"
_WORDS = {"ink": INK, "soft": SOFT, "ground": SOFT, "faint": HAIR, "card": CARD}
# System fonts with more characters than Pillow's own font, which has little more than ASCII.
_WIDER = ("DejaVuSans.ttf", "Arial Unicode.ttf", "Arial.ttf", "LiberationSans-Regular.ttf")
# Pictures are drawn larger by this factor, and then reduced.
_FINER = 3
# The largest ratio of a picture's height to its width.
_HIGHEST = 1.02


def imaging(module: str = "Image") -> Any:
    """Import a module of Pillow.

    Raises:
        RequestError: Pillow is not installed; the message says how to install it.
    """
    return bring(f"PIL.{module}", "pictures of an episode")


@lru_cache(maxsize=64)
def font(size: float, plain: bool = True) -> Any:
    """Return Pillow's own font; for characters outside it (``plain`` is False), a system font if there is one."""
    fonts = imaging("ImageFont")
    for name in () if plain else _WIDER:
        with contextlib.suppress(OSError):
            return fonts.truetype(name, size)
    return fonts.load_default(size)


def spelled(text: str) -> str:
    """Return text in characters of Pillow's own font, as far as possible.

    >>> spelled("−3")
    '-3'
    """
    return text.replace("−", "-")


def is_plain(text: str) -> bool:
    """Return whether Pillow's own font has all characters of a text."""
    return text.translate({ord(sign): None for sign in "…·"}).isascii()


def hue(colour: Colour) -> str:
    """Return the colour of an agent's number, or the colour with a name."""
    if isinstance(colour, str):
        return _WORDS.get(colour, SOFT)
    return AGENT_COLOURS[colour % len(AGENT_COLOURS)]


def size_of(view: tuple[float, float, float, float], width: int) -> tuple[int, int]:
    """Return the width and height in pixels of a picture that shows a view: left, bottom, right and top."""
    left, bottom, right, top = view
    return width, round(min(width * _HIGHEST, width * (top - bottom) / (right - left)))


def draw(scene: Scene, view: tuple[float, float, float, float], size: tuple[int, int]) -> Any:
    """Draw a scene as a Pillow image.

    Args:
        scene: The scene.
        view: Left, bottom, right and top of the visible area.
        size: Width and height of the image in pixels.
    """
    left, _, right, _ = view
    width, height = size
    image = imaging().new("RGB", (width * _FINER, height * _FINER), CARD)
    pen = _Pen(image, view, scene.centre or 0.0)
    if scene.centre is not None:
        pen.ground(scene.centre + left, scene.centre + right)
    for shape in scene.shapes:
        _DRAWN[type(shape)](pen, shape)
    return image.resize(size, imaging().Resampling.BOX)


def between(before: Scene, after: Scene, part: float) -> Scene:
    """Interpolate between two scenes: numbers are interpolated, texts and colours come from the first scene.

    >>> a, b = (Scene((Circle(x, 0.0, 1.0, text="a"),), (0, 0, 1, 1)) for x in (0.0, 2.0))
    >>> between(a, b, 0.25).shapes[0].x
    0.5
    """
    if part == 0.0 or len(before.shapes) != len(after.shapes):
        return before
    shapes = tuple(_mixed(here, there, part) for here, there in zip(before.shapes, after.shapes, strict=True))
    centre = None if before.centre is None or after.centre is None else _mean(before.centre, after.centre, part)
    return replace(before, shapes=shapes, centre=centre)


def _mean(here: float, there: float, part: float) -> float:
    return here + part * (there - here)


def _mixed(here: Any, there: Any, part: float) -> Any:
    pairs = ((field.name, getattr(here, field.name), getattr(there, field.name)) for field in fields(here))
    return replace(here, **{name: _mean(a, b, part) for name, a, b in pairs if isinstance(a, float) and a != b})


class _Pen:
    """Draws in the units of a scene."""

    def __init__(self, image: Any, view: tuple[float, float, float, float], centre: float) -> None:
        left, bottom, right, top = view
        self.scale = min(image.width / (right - left), image.height / (top - bottom))
        self._middle = image.width / 2 - (centre + (left + right) / 2) * self.scale
        self._level = image.height / 2 + (bottom + top) / 2 * self.scale
        self.draw = imaging("ImageDraw").Draw(image)

    def at(self, x: float, y: float) -> tuple[float, float]:
        return self._middle + x * self.scale, self._level - y * self.scale

    def write(self, text: str, x: float, y: float, size: float, colour: str) -> None:
        if text:
            text = spelled(text)
            self.draw.text((x, y), text, fill=colour, font=font(size * _FINER, is_plain(text)), anchor="mm")

    def line(self, ends: tuple[tuple[float, float], tuple[float, float]], width: float, colour: str) -> None:
        self.draw.line(ends, fill=colour, width=max(1, round(width)))
        for x, y in ends:
            self.dot(x, y, width / 2, colour)

    def dot(self, x: float, y: float, radius: float, colour: str) -> None:
        self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def ground(self, left: float, right: float) -> None:
        """Draw the line on which a body runs, with a mark at every metre."""
        for mark in range(math.ceil(left), math.floor(right) + 1):
            x, y = self.at(mark, 0.0)
            self.draw.line((x, y, x, y + 7 * _FINER), fill=HAIR, width=_FINER)
            self.write(f"{mark} m", x, y + 15 * _FINER, 11, SOFT)
        self.draw.line((*self.at(left, 0.0), *self.at(right, 0.0)), fill=SOFT, width=_FINER)

    def circle(self, shape: Circle) -> None:
        x, y = self.at(shape.x, shape.y)
        radius = max(1.5 * _FINER, shape.radius * self.scale)
        if shape.hollow:
            box = (x - radius, y - radius, x + radius, y + radius)
            self.draw.ellipse(box, outline=hue(shape.colour), width=2 * _FINER)
        else:
            self.dot(x, y, radius, hue(shape.colour))
        self.write(shape.text, x, y - radius - 7 * _FINER, 12, INK)

    def segment(self, shape: Segment) -> None:
        ends = (self.at(shape.x, shape.y), self.at(shape.x2, shape.y2))
        self.line(ends, max(1.5 * _FINER, shape.width * self.scale), hue(shape.colour))

    def cell(self, shape: Cell) -> None:
        (x, y), half = self.at(shape.x, shape.y), 0.47 * self.scale
        colour, width = (hue(0), 3) if shape.marked else (HAIR, 1)
        box = (x - half, y - half, x + half, y + half)
        self.draw.rounded_rectangle(box, 5 * _FINER, fill=CARD, outline=colour, width=width * _FINER)
        size = min(20.0, 2 * half / _FINER * 0.36)
        self.write(shape.text, x, y, size, hue(0) if shape.marked else INK)

    def label(self, shape: Label) -> None:
        self.write(shape.text, *self.at(shape.x, shape.y), 13, hue(shape.colour))


_DRAWN: dict[type, Callable[[_Pen, Any], None]] = {
    Circle: _Pen.circle,
    Segment: _Pen.segment,
    Cell: _Pen.cell,
    Label: _Pen.label,
}
