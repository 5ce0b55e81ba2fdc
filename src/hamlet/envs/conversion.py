"""An environment's spaces as plain values, and their elements as the arrays that networks take, and back.

Whatever an observation or an action goes through between an environment and a network happens here, in `inner` and
`outer`: choices that do not begin at 0, arrays of choices, layouts of pictures, dictionaries and tuples, bounds, types.
Training, `hamlet.load_policy` and every exported file call these two functions.

Workers import this file: it needs the standard library and numpy alone.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import ModuleType
from typing import Any, Literal, TypeAlias

import numpy as np

# How arrays that may be pictures are read.
Pictures: TypeAlias = Literal["auto", "channels_last", "channels_first", "none"]
# From which side on an array is a picture rather than a small grid, whose channels may outnumber its cells.
_SIDE = 8
_KINDS = "Box, Discrete, MultiDiscrete, MultiBinary, or a Dict or Tuple of those"


class Broken(Exception):
    """An environment that does not keep its word; the line names agent and key."""


@dataclass(frozen=True)
class SpaceKind:
    """A space.

    Attributes:
        name: Box, Discrete or MultiDiscrete; Dict where several stand beside each other, by name or by number.
        shape: Of one element, as the environment has it.
        dtype: Of one element; of choices int32, as they are kept.
        sizes: How many choices each component has; empty for a Box.
        low: A Box's lower bound: one number, or one for each entry.
        high: The upper one.
        start: The least choice of each component; empty where all are 0.
        given: The type of an array of choices as the environment takes it; empty for int64.
        layout: How an array is read: as it stands (empty), with "channels_first", as a "grey" picture without a
            channel's axis, or "flat", as numbers.
        parts: What stands beside each other, by key.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    sizes: tuple[int, ...] = ()
    low: float | tuple[float, ...] = 0.0
    high: float | tuple[float, ...] = 0.0
    start: tuple[int, ...] = ()
    given: str = ""
    layout: str = ""
    parts: tuple[tuple[str | int, "SpaceKind"], ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no type of numbers."""
        for dtype in filter(None, (self.dtype, self.given)):
            if np.dtype(dtype).kind not in "biuf":
                raise ValueError(f"{dtype} is no type of numbers")

    @classmethod
    def of(cls, plain: tuple[Any, ...]) -> "SpaceKind":
        """The inverse of `dataclasses.astuple`."""
        *rest, parts = plain
        return cls(*rest, parts=tuple((key, cls.of(part)) for key, part in parts))

    @cached_property
    def inner_shape(self) -> tuple[int, ...]:
        """The shape in which networks take one element."""
        if self.name == "Dict":
            return (sum(part.width for _, part in self.parts),)
        if self.name != "Box":
            return () if self.name == "Discrete" else (len(self.sizes),)
        match self.layout:
            case "channels_first":
                return (*self.shape[1:], self.shape[0])
            case "grey":
                return (*self.shape, 1)
            case "flat":
                return (math.prod(self.shape),)
            case _:
                return self.shape

    @property
    def inner_dtype(self) -> str:
        """The type in which an element is kept: choices int32, bytes as bytes, all else float32."""
        if self.name in ("Box", "Dict"):
            return "uint8" if self.dtype == "uint8" else "float32"
        return "int32"

    @property
    def width(self) -> int:
        """How many numbers an element is beside others: its entries, and choices one-hot."""
        return sum(self.sizes) if self.sizes else math.prod(self.inner_shape)

    @cached_property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """A Box's bounds as float32, rounded inwards: what lies within them lies in the space, whatever its type."""
        low, high = (
            np.broadcast_to(np.reshape(bound, self.shape if isinstance(bound, tuple) else ()), self.shape)
            for bound in (self.low, self.high)
        )
        with np.errstate(over="ignore"):
            below, above = low.astype(np.float32), high.astype(np.float32)
        below = np.where(below < low, np.nextafter(below, np.float32(np.inf)), below)
        return below, np.where(above > high, np.nextafter(above, np.float32(-np.inf)), above)

    @property
    def is_picture(self) -> bool:
        """Whether networks take it as rows × columns × channels."""
        return self.name == "Box" and len(self.inner_shape) == 3

    def leaves(self, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], "SpaceKind"]]:
        """Every space without parts, and by which keys it is reached."""
        if self.name != "Dict":
            yield path, self
        for key, part in self.parts:
            yield from part.leaves((*path, key))

    def read(self, pictures: Pictures) -> "SpaceKind":
        """The same space with its arrays read as asked for."""
        if self.name == "Dict":
            return replace(self, parts=tuple((key, part.read(pictures)) for key, part in self.parts))
        return replace(self, layout=_layout(self, pictures)[0]) if self.name == "Box" else self

    def doubts(self, pictures: Pictures) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """What the reading of an array rests on where it could be read otherwise, by its path."""
        for path, leaf in self.leaves():
            if leaf.name == "Box" and (doubt := _layout(leaf, pictures)[1]):
                yield path, doubt


def kind_of(space: Any, what: str, known: str = _KINDS) -> SpaceKind:
    """A Gymnasium space as plain values.

    Args:
        space: The space.
        what: What it is the space of, for messages.
        known: Which kinds may be used, for messages.

    Raises:
        Broken: It is of a kind that has none, or has nothing in it.
    """
    match type(space).__name__:
        case "Box" if np.dtype(space.dtype).kind in "biuf":
            if 0 in space.shape:
                raise Broken(f"{what} is {spoken(space)}, which has no entries; give it at least one number")
            return SpaceKind("Box", tuple(space.shape), str(space.dtype), (), _bound(space.low), _bound(space.high))
        case "Discrete":
            start = int(getattr(space, "start", 0))
            return SpaceKind("Discrete", (), "int32", (int(space.n),), start=(start,) if start else ())
        case "MultiDiscrete" if np.size(space.nvec):
            sizes = tuple(int(n) for n in np.ravel(space.nvec))
            starts = np.broadcast_to(getattr(space, "start", 0), np.shape(space.nvec)).ravel()
            start = tuple(int(first) for first in starts) if starts.any() else ()
            given = "" if space.dtype == np.int64 else str(space.dtype)
            return SpaceKind("MultiDiscrete", tuple(space.shape), "int32", sizes, start=start, given=given)
        case "MultiBinary" if math.prod(space.shape):
            shape = tuple(int(n) for n in space.shape)
            return SpaceKind("MultiDiscrete", shape, "int32", (2,) * math.prod(shape), given=str(space.dtype))
        case "Dict" | "Tuple":
            spaces = space.spaces
            items = list(spaces.items() if isinstance(spaces, Mapping) else enumerate(spaces))
            if any(not isinstance(key, str | int) for key, _ in items):
                raise Broken(f"{what} is {spoken(space)}; name its entries by strings")
            if not items:
                raise Broken(f"{what} is {spoken(space)}, which has no entries; give it at least one number")
            parts = tuple((key, kind_of(part, f"{what.removesuffix(',')}, its part {key!r},")) for key, part in items)
            return SpaceKind("Dict", (), "float32", parts=parts)
        case _:
            raise Broken(f"{what} is {spoken(space)}; use {known}")


def inner(kind: SpaceKind, value: Any, xp: ModuleType = np) -> Any:
    """An element of an observation space as networks take it; axes before its own stay.

    Args:
        kind: The space.
        value: The element: an array, or of several spaces a dictionary or a tuple of arrays.
        xp: The module whose arrays they are: numpy, or jax.numpy.
    """
    if kind.name == "Dict":
        return xp.concatenate([_row(part, inner(part, value[key], xp), xp) for key, part in kind.parts], axis=-1)
    lead = value.shape[: value.ndim - len(kind.shape)]
    if kind.name != "Box":
        counted = value - np.reshape(kind.start, kind.shape).astype(np.int32) if kind.start else value
        return counted.reshape((*lead, *kind.inner_shape))
    match kind.layout:
        case "channels_first":
            return xp.moveaxis(value, -3, -1)
        case "grey" | "flat":
            return value.reshape((*lead, *kind.inner_shape))
        case _:
            return value


def outer(kind: SpaceKind, row: Any, xp: ModuleType = np) -> Any:
    """An action as the environment's space has it, from what a policy gave; axes before its own stay.

    Choices are counted from the space's start; numbers are clipped to its bounds, in float32.
    """
    lead = row.shape[: row.ndim - len(kind.inner_shape)]
    if kind.name == "Box":
        return xp.clip(row.reshape((*lead, *kind.shape)), *kind.bounds)
    counted = row.reshape((*lead, *kind.shape))
    return counted + np.reshape(kind.start, kind.shape).astype(np.int32) if kind.start else counted


def action(kind: SpaceKind, row: Any) -> Any:
    """`outer` in the type that the environment takes: of one choice an int, else an array."""
    value = outer(kind, row)
    if kind.name == "Discrete":
        return int(value) if value.ndim == 0 else value.astype(np.int64)
    return value.astype(kind.dtype if kind.name == "Box" else kind.given or np.int64)


def observed(kind: SpaceKind, name: str, value: Any, lead: int = 0) -> np.ndarray:
    """What an agent sees as networks take it, from what its environment gives; after ``lead`` axes of a batch.

    Raises:
        Broken: It is no element of its space.
    """
    return np.asarray(inner(kind, _checked(kind, f"the observation of agent {name!r}", value, lead)), kind.inner_dtype)


def masked(kind: SpaceKind, name: str, value: Any) -> tuple[Any, Any]:
    """An observation, and the mask that stands beside it in a dictionary; None where none does.

    Raises:
        Broken: There is a dictionary without an observation or a mask.
    """
    if not isinstance(value, Mapping):
        return value, None
    if kind.name == "Dict":
        return value, value.get("action_mask")
    try:
        return value["observation"], value["action_mask"]
    except KeyError as error:
        raise Broken(f"the observation of agent {name!r} has no key {error}") from None


def mask_row(kind: SpaceKind, name: str, mask: Any, lead: int = 0) -> np.ndarray:
    """A mask as one row of booleans, after ``lead`` axes of a batch; of several choices, joined.

    Raises:
        Broken: It has not one entry for each choice.
    """
    parts = mask if isinstance(mask, tuple | list) and np.ndim(mask[0]) > lead else [mask]
    arrays = [np.asarray(part) for part in parts]
    row = np.concatenate([part.reshape(*part.shape[:lead], -1) for part in arrays], axis=-1)
    if row.shape[lead:] != (sum(kind.sizes),):
        raise Broken(
            f"the action_mask of agent {name!r} has {row.size} entries, and its actions {sum(kind.sizes)} choices"
        )
    return row.astype(bool)


def entry(kind: SpaceKind, place: tuple[int, ...]) -> str:
    """Where a number stands in what the environment gives, from its place in what networks take: ``[3]``.

    >>> entry(SpaceKind("Box", (3, 8, 8), "float32", layout="channels_first"), (1, 2, 0))
    '[0, 1, 2]'
    """
    if kind.name != "Dict":
        number = int(np.ravel_multi_index(place, kind.inner_shape))
        order = np.arange(math.prod(kind.shape)).reshape(kind.shape)
        position = np.unravel_index(int(inner(kind, order).ravel()[number]), kind.shape)
        return str([int(index) for index in position]) if position else ""
    (number,) = place
    for key, part in kind.parts:
        if number < part.width:
            if part.sizes:
                return f"[{key!r}]"
            return f"[{key!r}]{entry(part, tuple(int(index) for index in np.unravel_index(number, part.inner_shape)))}"
        number -= part.width
    raise IndexError(place)


def _row(kind: SpaceKind, value: Any, xp: ModuleType) -> Any:
    """What stands beside others: choices one-hot, all else flat, float32."""
    if kind.name == "Discrete":
        return _one_hot(value, kind.sizes[0], xp)
    if kind.name == "MultiDiscrete":
        return xp.concatenate([_one_hot(value[..., k], n, xp) for k, n in enumerate(kind.sizes)], axis=-1)
    lead = value.shape[: value.ndim - len(kind.inner_shape)]
    return value.reshape(*lead, -1).astype(np.float32)


def _one_hot(value: Any, count: int, xp: ModuleType) -> Any:
    return (value[..., None] == xp.arange(count, dtype=np.int32)).astype(np.float32)


def _checked(kind: SpaceKind, what: str, value: Any, lead: int) -> Any:
    """The arrays of an element.

    Raises:
        Broken: It is no element of the space.
    """
    if kind.name == "Dict":
        arrays = {}
        for key, part in kind.parts:
            try:
                entry = value[key]
            except (KeyError, IndexError, TypeError):
                raise Broken(f"{what} has no entry {key!r}, which its space has") from None
            arrays[key] = _checked(part, f"{what.removesuffix(',')}, its part {key!r},", entry, lead)
        return arrays
    array = _array(kind, what, value, lead)
    if kind.name != "Box":
        counted = array.astype(np.int64) - np.reshape(kind.start, kind.shape) if kind.start else array
        if array.dtype.kind == "f" or (counted < 0).any() or (counted >= np.reshape(kind.sizes, kind.shape)).any():
            raise Broken(f"{what} is {value}, which is none of the choices of its space")
        return array.astype(np.int32)
    return array


def _array(kind: SpaceKind, what: str, value: Any, lead: int) -> np.ndarray:
    """An array of numbers of the space's shape, and of bytes where the space has bytes."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise Broken(f"{what} is no array but a {type(value).__name__}") from None
    if array.shape[lead:] != kind.shape or array.ndim != lead + len(kind.shape):
        raise Broken(f"{what} has shape {array.shape}, and its space {kind.shape}")
    if array.dtype.kind not in "biuf":
        raise Broken(f"{what} has type {array.dtype}, which is no number")
    if kind.name == "Box" and kind.dtype == "uint8" and array.dtype not in (np.uint8, np.bool_):
        if array.dtype.kind == "f":
            raise Broken(f"{what} has type {array.dtype}, and its space uint8")
        if array.size and not 0 <= array.min() <= array.max() < 256:
            raise Broken(f"{what} has entries beyond 0 … 255, and its space is uint8")
    return array


def _layout(kind: SpaceKind, pictures: Pictures) -> tuple[str, str]:
    """How a Box is read, and on what that rests where another would be possible."""
    shape = " x ".join(map(str, kind.shape))
    if pictures == "none":
        return ("flat" if len(kind.shape) == 3 else ""), ""
    if len(kind.shape) == 3:
        if pictures != "auto":
            return ("channels_first" if pictures == "channels_first" else ""), ""
        first, second, third = kind.shape
        channels = _channels(kind.shape)
        if channels == "first":
            reading = f"{shape}, is read with its channels first, {second} x {third} pixels of {first}"
            return "channels_first", f"{reading}; pictures='channels_last' reads it otherwise"
        reading = f"{shape}, is read with its channels last, {first} x {second} pixels of {third}"
        return "", "" if channels == "last" else f"{reading}; pictures='channels_first' reads it otherwise"
    if pictures != "auto" or kind.dtype != "uint8" or _extent(kind) < 16:
        return "", ""
    if len(kind.shape) == 2 and min(kind.shape) >= _SIDE:
        return "grey", f"{shape} bytes, is read as a grey picture; pictures='none' reads it as a row of numbers"
    reading = f"{shape} bytes, is read as numbers of up to {_extent(kind):g}, not as a picture"
    return "", f"{reading}; --normalise-observations standardises them"


def _channels(shape: tuple[int, ...]) -> str:
    """Where the channels of a picture stand, first or last; nothing where its shape does not tell.

    >>> [_channels(s) for s in ((84, 84, 3), (3, 48, 64), (12, 10, 10), (7, 7, 20), (5, 5, 5), (5, 4, 2))]
    ['last', 'first', 'first', 'last', '', '']
    """
    first, second, third = shape
    if first == second != third and first > 4:
        return "last"
    if second == third != first and second > 4:
        return "first"
    if third < _SIDE <= min(first, second):
        return "last"
    return "first" if first < _SIDE <= min(second, third) else ""


def _extent(kind: SpaceKind) -> float:
    return float(np.max(kind.high) - np.min(kind.low))


def _bound(values: Any) -> float | tuple[float, ...]:
    flat = np.asarray(values, np.float64).ravel()
    return float(flat[0]) if flat.size and (flat == flat[0]).all() else tuple(float(value) for value in flat)


def spoken(space: Any) -> str:
    """A Gymnasium space in one short line."""
    text = " ".join(str(space).split())
    return text if len(text) < 100 else f"{text[:100]}…"
