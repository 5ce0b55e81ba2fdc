"""What is written around a picture: what is shown, and beneath it the step, the return, and who has which colour."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from hamlet.video.drawing import CARD, HAIR, INK, SOFT, font, hue, imaging, is_plain, spelled
from hamlet.video.moments import Moment

# In pixels, where a picture has its usual width: margins, lines, the height of letters, the room for a number of steps.
_USUAL, _MARGIN, _LINE, _SIZE, _STEPS = 480, 12, 22, 13, 84
# What is written needs room beside narrow pictures too.
_NARROWEST = 400
# From which share of the largest return on the sum of all is taken as zero.
_NOTHING = 1e-6


class Captions(NamedTuple):
    """What the frames of a video have in common.

    Attributes:
        title: What is shown.
        names: Every agent, in the order of returns.
        key: The agents that have colours, with their numbers in the order of their names.
        words: Whether moments have words of their own.
    """

    title: str
    names: tuple[str, ...]
    key: tuple[tuple[str, int], ...] = ()
    words: bool = False


def framed(picture: Any, captions: Captions, moment: Moment, words: str, episode: str) -> Any:
    """A picture with what is written around it, as an image of even width and height, which MP4 asks for.

    Args:
        picture: An image of Pillow.
        captions: What all frames have in common.
        moment: Which is shown.
        words: Of the moment's own.
        episode: Which episode it is; empty where there is one alone.
    """
    width = max(picture.width, _NARROWEST)
    scale = width / _USUAL
    line, margin = round(_LINE * scale), round(_MARGIN * scale)
    top, lines = line + margin, 1 + captions.words + bool(captions.key)
    height = top + picture.height + margin + lines * line
    image = imaging().new("RGB", (width + width % 2, height + height % 2), CARD)
    left = (width - picture.width) // 2
    image.paste(picture, (left, top))
    text = _Text(image, scale)
    text.pen.rectangle((left, top, left + picture.width - 1, top + picture.height - 1), outline=HAIR)
    text.write(margin, margin * 0.8, captions.title, SOFT)
    y = top + picture.height + margin * 0.7
    beside = text.write_right(y, episode)
    text.write(margin, y, f"step {moment.step:,}", INK)
    text.write(margin + _STEPS * scale, y, returned(captions.names, moment.returns), INK, beside)
    if captions.words:
        text.write(margin, y + line, words, SOFT)
    if captions.key:
        text.write_key(y + line * (1 + captions.words), captions.key)
    return image


class _Text:
    """Writes on an image, in a size that goes with its width."""

    def __init__(self, image: Any, scale: float) -> None:
        self.pen = imaging("ImageDraw").Draw(image)
        self._size = _SIZE * scale
        self._right = image.width - _MARGIN * scale
        self._gap = _MARGIN * scale

    def write(self, x: float, y: float, text: str, colour: str, right: float | None = None) -> None:
        """Text from a place on, cut where it would go beyond another."""
        room, text = (self._right if right is None else right) - x, spelled(text)
        if self._long(text) > room:
            while text and self._long(text + "…") > room:
                text = text[:-1]
            text += "…"
        self.pen.text((x, y), text, fill=colour, font=self._font(text))

    def write_right(self, y: float, text: str) -> float:
        """Text that ends at the right; where it begins, a gap before it."""
        x = self._right - self._long(text)
        self.pen.text((x, y), text, fill=SOFT, font=self._font(text))
        return x - self._gap

    def _font(self, text: str) -> Any:
        return font(self._size, is_plain(text))

    def _long(self, text: str) -> float:
        return self._font(text).getlength(text)

    def write_key(self, y: float, key: Sequence[tuple[str, int]]) -> None:
        """Names beside dots of their colours, as many as have room."""
        x, size = self._gap, self._size * 0.75
        for number, (name, colour) in enumerate(key):
            others = f"and {len(key) - number} more"
            rest = self._long(others) + self._gap if number < len(key) - 1 else 0.0
            wide = size * 1.5 + self._long(spelled(name))
            if x + wide > self._right - rest:
                return self.write(x, y, others, SOFT)
            self.pen.ellipse((x, y + size * 0.3, x + size, y + size * 1.3), fill=hue(colour))
            self.write(x + size * 1.5, y, name, INK)
            x += wide + self._gap
        return None


def returned(names: Sequence[str], returns: np.ndarray) -> str:
    """The team's return, or where it is zero because one wins what others lose, each agent's.

    >>> returned(("a", "b"), np.array([1.0, 2.5])), returned(("a", "b"), np.array([-1.0, 1.0]))
    ('team return 3.50', 'return a −1.00, b 1.00')
    """
    if is_zero_sum(returns):
        return "return " + ", ".join(f"{name} {_number(own)}" for name, own in zip(names, returns, strict=True))
    return f"team return {_number(float(returns.sum()))}"


def is_zero_sum(returns: np.ndarray) -> bool:
    """Whether the agents' returns ``[n]`` sum to zero, though not all are zero."""
    largest = float(np.abs(returns).max())
    return largest > 0.0 and abs(float(returns.sum())) <= _NOTHING * largest


def _number(value: float) -> str:
    return f"{value + 0.0:,.2f}".replace("-", "−")
