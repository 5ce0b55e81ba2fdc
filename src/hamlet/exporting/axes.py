"""Operations on arrays whose axes of length 1 are removed ("squeezed" arrays).

A node represents an array with a known shape. The node's own shape broadcasts to the squeezed shape of this array.
"""

from collections.abc import Sequence
from typing import Any

from hamlet.exporting.graph import Graph, Node

Shape = tuple[int, ...]


class Untranslatable(Exception):
    """A JAX primitive has no translation rule. The text names the primitive and the case without a rule."""


def squeezed(shape: Shape) -> Shape:
    """Return a shape without its axes of length 1."""
    return tuple(n for n in shape if n != 1)


def whole(graph: Graph, node: Node, shape: Shape) -> Node:
    """Broadcast a node to the squeezed shape of its array."""
    return graph.broadcast(node, squeezed(shape))


def standing(shape: Shape, axes: Sequence[int]) -> tuple[int, ...]:
    """Return the positions of axes in the squeezed shape. Axes of length 1 are left out."""
    kept_axes = [axis for axis, n in enumerate(shape) if n != 1]
    return tuple(kept_axes.index(axis) for axis in axes if axis in kept_axes)


def shape_of(equation: Any, number: int = 0) -> Shape:
    """Return the shape of an equation's operand."""
    return equation.invars[number].aval.shape


def out_of(equation: Any) -> Shape:
    """Return the shape of an equation's first output."""
    return equation.outvars[0].aval.shape


def spread(graph: Graph, node: Node, before: Shape, after: Shape, axes: Sequence[int]) -> Node:
    """Move axes to the positions from which they broadcast, without repeating any values.

    Args:
        graph: The graph.
        node: The node of the array.
        before: The shape of the array.
        after: The shape to which the result will be broadcast.
        axes: The axis of ``after`` for each axis of ``before``.
    """
    if not node.shape or before == after:
        return node
    squeezed_shape = squeezed(before)
    lengths = iter((1,) * (len(squeezed_shape) - len(node.shape)) + node.shape)
    source = dict(zip(axes, before, strict=True))
    placed = [
        next(lengths) if source.get(axis, 1) != 1 else 1
        for axis, n in enumerate(after)
        if n != 1 or source.get(axis, 1) != 1
    ]
    first = next((k for k, n in enumerate(placed) if n != 1), len(placed))
    return graph.reshape(node, tuple(placed[first:]))


def join(graph: Graph, pieces: list[tuple[Node, Shape]], axis: int, out: Shape) -> Node:
    """Concatenate pieces with known shapes along one axis. The axis may have length 1 in some pieces."""
    kept_axes = [k for k, n in enumerate(out) if n != 1 or k == axis]
    parts = [graph.reshape(whole(graph, node, shape), tuple(shape[k] for k in kept_axes)) for node, shape in pieces]
    joined = parts[0] if len(parts) == 1 else graph.apply("concatenate", *parts, axis=kept_axes.index(axis))
    return graph.reshape(joined, squeezed(out))


def cut(graph: Graph, node: Node, shape: Shape, cuts: Sequence[tuple[int, int, int]]) -> Node:
    """Slice an array; ``cuts`` contains start, stop and step for each axis."""
    kept_cuts = [bounds for bounds, n in zip(cuts, shape, strict=True) if n != 1]
    out = tuple(len(range(*bounds)) for bounds in cuts)
    if out == tuple(shape):
        return node
    return graph.reshape(graph.apply("slice", whole(graph, node, shape), cuts=tuple(kept_cuts)), squeezed(out))
