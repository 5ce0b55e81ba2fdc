"""An environment's spaces as plain values, and the conversion of their elements to and from the arrays of networks.

`inner` converts observations, `outer` converts actions: discrete values that do not start at 0, the channel layout of
pictures, dictionaries and tuples, bounds, and number types. Training, `hamlet.load_policy` and every exported file call
these two functions.

Workers import this file, so it uses only the standard library and numpy.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import ModuleType
from typing import Any, Literal, TypeAlias

import numpy as np

# How arrays that may be pictures are interpreted.
Pictures: TypeAlias = Literal["auto", "channels_last", "channels_first", "none"]
# The smallest side of a picture. A smaller array is a small grid, which may have more channels than cells on a side.
_SIDE = 8
_KINDS = "Box, Discrete, MultiDiscrete, MultiBinary, or a Dict or Tuple of those"


class Broken(Exception):
    """An environment that violates its interface; the message names the agent and the key."""


@dataclass(frozen=True)
class SpaceKind:
    """A space as plain values.

    Attributes:
        name: Box, Discrete or MultiDiscrete; Dict for a dictionary or tuple of spaces.
        shape: The shape of one element, in the environment's form.
        dtype: The type of one element; int32 for discrete values, the type in which Hamlet stores them.
        sizes: The number of discrete values of each component; empty for a Box.
        low: The lower bound of a Box: one number, or one number for each entry.
        high: The upper bound of a Box: one number, or one number for each entry.
        start: The smallest discrete value of each component; empty if all are 0.
        given: The type of discrete arrays that the environment expects; empty for int64.
        layout: How an array is interpreted: unchanged (empty), with "channels_first", as a "grey" picture without a
            channel axis, or "flat", as a row of numbers.
        parts: The spaces in a Dict, by key.
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
        """Refuse a type that is not numeric."""
        for dtype in filter(None, (self.dtype, self.given)):
            if np.dtype(dtype).kind not in "biuf":
                raise ValueError(f"the type of a space must be numeric, got {dtype}")

    @classmethod
    def of(cls, plain: tuple[Any, ...]) -> "SpaceKind":
        """Build a space from a tuple; the inverse of `dataclasses.astuple`."""
        *rest, parts = plain
        return cls(*rest, parts=tuple((key, cls.of(part)) for key, part in parts))

    @cached_property
    def inner_shape(self) -> tuple[int, ...]:
        """The shape of one element in the form that networks use."""
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
        """The type in which Hamlet stores an element: int32 for discrete values, uint8 for bytes, else float32."""
        if self.name in ("Box", "Dict"):
            return "uint8" if self.dtype == "uint8" else "float32"
        return "int32"

    @property
    def width(self) -> int:
        """How many numbers an element adds to a joined row: all its entries, with discrete values as one-hot."""
        return sum(self.sizes) if self.sizes else math.prod(self.inner_shape)

    @cached_property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """The bounds of a Box as float32, rounded inwards: a value within them is in the space, for every type."""
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
        """Whether networks take an element as rows × columns × channels."""
        return self.name == "Box" and len(self.inner_shape) == 3

    def leaves(self, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], "SpaceKind"]]:
        """Yield every space without parts, with the keys that lead to it."""
        if self.name != "Dict":
            yield path, self
        for key, part in self.parts:
            yield from part.leaves((*path, key))

    def read(self, pictures: Pictures) -> "SpaceKind":
        """Return this space with its arrays interpreted as requested."""
        if self.name == "Dict":
            return replace(self, parts=tuple((key, part.read(pictures)) for key, part in self.parts))
        return replace(self, layout=_layout(self, pictures)[0]) if self.name == "Box" else self

    def doubts(self, pictures: Pictures) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Yield, for every array with an ambiguous layout, its path and a line on how Hamlet interprets it."""
        for path, leaf in self.leaves():
            if leaf.name == "Box" and (doubt := _layout(leaf, pictures)[1]):
                yield path, doubt


def kind_of(space: Any, what: str, known: str = _KINDS) -> SpaceKind:
    """Convert a Gymnasium space into plain values.

    Args:
        space: The space.
        what: What the space belongs to, for messages.
        known: The supported kinds of spaces, for messages.

    Raises:
        Broken: The space is not supported, or it is empty.
    """
    match type(space).__name__:
        case "Box" if np.dtype(space.dtype).kind in "biuf":
            if 0 in space.shape:
                raise Broken(f"{what} is {spoken(space)}, which has no entries; give it at least one entry")
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
                raise Broken(f"{what} is {spoken(space)}, which has keys that are not strings; use strings as keys")
            if not items:
                raise Broken(f"{what} is {spoken(space)}, which has no entries; give it at least one entry")
            parts = tuple((key, kind_of(part, f"{what.removesuffix(',')}, its part {key!r},")) for key, part in items)
            return SpaceKind("Dict", (), "float32", parts=parts)
        case _:
            raise Broken(f"{what} is {spoken(space)}, which Hamlet does not support; use {known}")


def inner(kind: SpaceKind, value: Any, xp: ModuleType = np) -> Any:
    """Convert an element of an observation space into the form that networks use; leading batch axes are kept.

    Args:
        kind: The space.
        value: The element: an array; for a Dict, a dictionary or tuple of arrays.
        xp: The array module: numpy, or jax.numpy.
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
    """Convert an action of a policy into the environment's form; leading batch axes are kept.

    Discrete actions are counted from the start of the space. Numbers are clipped to the bounds, in float32.
    """
    lead = row.shape[: row.ndim - len(kind.inner_shape)]
    if kind.name == "Box":
        return xp.clip(row.reshape((*lead, *kind.shape)), *kind.bounds)
    counted = row.reshape((*lead, *kind.shape))
    return counted + np.reshape(kind.start, kind.shape).astype(np.int32) if kind.start else counted


def action(kind: SpaceKind, row: Any) -> Any:
    """Apply `outer` and return the type that the environment expects: an int for one discrete action, else an array."""
    value = outer(kind, row)
    if kind.name == "Discrete":
        return int(value) if value.ndim == 0 else value.astype(np.int64)
    return value.astype(kind.dtype if kind.name == "Box" else kind.given or np.int64)


def observed(kind: SpaceKind, name: str, value: Any, lead: int = 0) -> np.ndarray:
    """Convert an agent's observation from its environment into the form that networks use.

    Args:
        kind: The observation space.
        name: The agent.
        value: The observation, with ``lead`` leading batch axes.
        lead: The number of batch axes.

    Raises:
        Broken: The observation is not in its space.
    """
    return np.asarray(inner(kind, _checked(kind, f"the observation of agent {name!r}", value, lead)), kind.inner_dtype)


def masked(kind: SpaceKind, name: str, value: Any) -> tuple[Any, Any]:
    """Return an observation, and the action mask from its dictionary; None if it comes with no mask.

    Raises:
        Broken: The dictionary has no observation or no mask.
    """
    if not isinstance(value, Mapping):
        return value, None
    if kind.name == "Dict":
        return value, value.get("action_mask")
    try:
        return value["observation"], value["action_mask"]
    except KeyError as error:
        raise Broken(
            f"the observation of agent {name!r} has no key {error}; it needs 'observation' and 'action_mask'"
        ) from None


def mask_row(kind: SpaceKind, name: str, mask: Any, lead: int = 0) -> np.ndarray:
    """Convert an action mask into one row of booleans, after ``lead`` batch axes; several masks are joined.

    Raises:
        Broken: The mask does not have one entry for each discrete action.
    """
    parts = mask if isinstance(mask, tuple | list) and np.ndim(mask[0]) > lead else [mask]
    arrays = [np.asarray(part) for part in parts]
    row = np.concatenate([part.reshape(*part.shape[:lead], -1) for part in arrays], axis=-1)
    if row.shape[lead:] != (sum(kind.sizes),):
        raise Broken(
            f"the action_mask of agent {name!r} has {row.size} entries, but the agent has {sum(kind.sizes)} actions;"
            " give one entry for each action"
        )
    return row.astype(bool)


def entry(kind: SpaceKind, place: tuple[int, ...]) -> str:
    """Return the index of a number in the environment's observation, from its index in the network's input: ``[3]``.

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
    """Convert a part of a Dict into float32 numbers for one row: one-hot for discrete values, else flattened."""
    if kind.name == "Discrete":
        return _one_hot(value, kind.sizes[0], xp)
    if kind.name == "MultiDiscrete":
        return xp.concatenate([_one_hot(value[..., k], n, xp) for k, n in enumerate(kind.sizes)], axis=-1)
    lead = value.shape[: value.ndim - len(kind.inner_shape)]
    return value.reshape(*lead, -1).astype(np.float32)


def _one_hot(value: Any, count: int, xp: ModuleType) -> Any:
    return (value[..., None] == xp.arange(count, dtype=np.int32)).astype(np.float32)


def _checked(kind: SpaceKind, what: str, value: Any, lead: int) -> Any:
    """Return the arrays of an element.

    Raises:
        Broken: The element is not in its space.
    """
    if kind.name == "Dict":
        arrays = {}
        for key, part in kind.parts:
            try:
                entry = value[key]
            except (KeyError, IndexError, TypeError):
                raise Broken(f"{what} has no entry {key!r}, which its space has; add it") from None
            arrays[key] = _checked(part, f"{what.removesuffix(',')}, its part {key!r},", entry, lead)
        return arrays
    array = _array(kind, what, value, lead)
    if kind.name != "Box":
        counted = array.astype(np.int64) - np.reshape(kind.start, kind.shape) if kind.start else array
        if array.dtype.kind == "f" or (counted < 0).any() or (counted >= np.reshape(kind.sizes, kind.shape)).any():
            raise Broken(f"{what} is {value}, which is not one of the values of its space")
        return array.astype(np.int32)
    return array


def _array(kind: SpaceKind, what: str, value: Any, lead: int) -> np.ndarray:
    """Return an array of numbers with the shape of the space; bytes if the space has bytes."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise Broken(f"{what} is a {type(value).__name__}, which does not convert to an array; give an array") from None
    if array.shape[lead:] != kind.shape or array.ndim != lead + len(kind.shape):
        raise Broken(f"{what} has shape {array.shape}, but its space has shape {kind.shape}")
    if array.dtype.kind not in "biuf":
        raise Broken(f"{what} has type {array.dtype}, which is not numeric; give numbers")
    if kind.name == "Box" and kind.dtype == "uint8" and array.dtype not in (np.uint8, np.bool_):
        if array.dtype.kind == "f":
            raise Broken(f"{what} has type {array.dtype}, but its space has type uint8")
        if array.size and not 0 <= array.min() <= array.max() < 256:
            raise Broken(f"{what} has entries outside 0 … 255, but its space has type uint8")
    return array


def _layout(kind: SpaceKind, pictures: Pictures) -> tuple[str, str]:
    """Return the layout of a Box, and a line on this choice if the shape allows another one."""
    shape = " x ".join(map(str, kind.shape))
    if pictures == "none":
        return ("flat" if len(kind.shape) == 3 else ""), ""
    if len(kind.shape) == 3:
        if pictures != "auto":
            return ("channels_first" if pictures == "channels_first" else ""), ""
        first, second, third = kind.shape
        channels = _channels(kind.shape)
        if channels == "first":
            reading = f"{shape}, is interpreted as channels first: {second} x {third} pixels, {first} channels"
            return "channels_first", f"{reading}; pictures='channels_last' changes this"
        reading = f"{shape}, is interpreted as channels last: {first} x {second} pixels, {third} channels"
        return "", "" if channels == "last" else f"{reading}; pictures='channels_first' changes this"
    if pictures != "auto" or kind.dtype != "uint8" or _extent(kind) < 16:
        return "", ""
    if len(kind.shape) == 2 and min(kind.shape) >= _SIDE:
        return "grey", f"{shape} bytes, is interpreted as a grey picture; pictures='none' makes it a row of numbers"
    reading = f"{shape} bytes, is interpreted as numbers of up to {_extent(kind):g}, not as a picture"
    return "", f"{reading}; --normalise-observations standardises them"


def _channels(shape: tuple[int, ...]) -> str:
    """Return the position of a picture's channels, "first" or "last"; empty if its shape does not determine it.

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
    """Return a Gymnasium space as one short line."""
    text = " ".join(str(space).split())
    return text if len(text) < 100 else f"{text[:100]}…"
