"""The texts around a picture: the title, and below the picture the step, the return, and the colours of the agents."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from hamlet.video.drawing import CARD, HAIR, INK, SOFT, font, hue, imaging, is_plain, spelled
from hamlet.video.moments import Moment

# In pixels at the usual picture width: the width, margin, line height, letter height and the space for the step number.
_USUAL, _MARGIN, _LINE, _SIZE, _STEPS = 480, 12, 22, 13, 84
# The smallest width of a frame: texts need space with narrow pictures too.
_NARROWEST = 400
# A sum of returns counts as zero if it is at most this fraction of the largest return.
_NOTHING = 1e-6


class Captions(NamedTuple):
    """The texts that all frames of a video share.

    Attributes:
        title: The title of the video.
        names: Every agent, in the order of the returns.
        key: The agents that have colours, with their numbers in the order of their names.
        words: Whether moments have their own captions.
    """

    title: str
    names: tuple[str, ...]
    key: tuple[tuple[str, int], ...] = ()
    words: bool = False


def framed(picture: Any, captions: Captions, moment: Moment, words: str, episode: str) -> Any:
    """Return a picture with texts around it, as an image with even width and height, which MP4 requires.

    Args:
        picture: A Pillow image.
        captions: The texts that all frames share.
        moment: The moment that is shown.
        words: The moment's own caption.
        episode: Which episode it is; empty if there is only one.
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
    """Writes text on an image; the font size scales with the image width."""

    def __init__(self, image: Any, scale: float) -> None:
        self.pen = imaging("ImageDraw").Draw(image)
        self._size = _SIZE * scale
        self._right = image.width - _MARGIN * scale
        self._gap = _MARGIN * scale

    def write(self, x: float, y: float, text: str, colour: str, right: float | None = None) -> None:
        """Write text from a position, shortened if it would overlap another text."""
        room, text = (self._right if right is None else right) - x, spelled(text)
        if self._long(text) > room:
            while text and self._long(text + "…") > room:
                text = text[:-1]
            text += "…"
        self.pen.text((x, y), text, fill=colour, font=self._font(text))

    def write_right(self, y: float, text: str) -> float:
        """Write text that ends at the right margin; return the position before it, minus a gap."""
        x = self._right - self._long(text)
        self.pen.text((x, y), text, fill=SOFT, font=self._font(text))
        return x - self._gap

    def _font(self, text: str) -> Any:
        return font(self._size, is_plain(text))

    def _long(self, text: str) -> float:
        return self._font(text).getlength(text)

    def write_key(self, y: float, key: Sequence[tuple[str, int]]) -> None:
        """Write names with dots in their colours, as many as fit."""
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
    """Return the team's return as text; if it is zero because agents gain what others lose, each agent's return.

    >>> returned(("a", "b"), np.array([1.0, 2.5])), returned(("a", "b"), np.array([-1.0, 1.0]))
    ('team return 3.50', 'return a −1.00, b 1.00')
    """
    if is_zero_sum(returns):
        return "return " + ", ".join(f"{name} {_number(own)}" for name, own in zip(names, returns, strict=True))
    return f"team return {_number(float(returns.sum()))}"


def is_zero_sum(returns: np.ndarray) -> bool:
    """Return whether the agents' returns ``[n]`` sum to zero, although some are not zero."""
    largest = float(np.abs(returns).max())
    return largest > 0.0 and abs(float(returns.sum())) <= _NOTHING * largest


def _number(value: float) -> str:
    return f"{value + 0.0:,.2f}".replace("-", "−")
