"""Arrays without their axes of length 1: where the others stand, and how they are put in place.

A node stands for an array of a known shape; its own shape broadcasts to what is left of that.
"""

from collections.abc import Sequence
from typing import Any

from hamlet.exporting.graph import Graph, Node

Shape = tuple[int, ...]


class Untranslatable(Exception):
    """A primitive has no rule; the text is its name, and what about it has none."""


def squeezed(shape: Shape) -> Shape:
    """A shape without its axes of length 1."""
    return tuple(n for n in shape if n != 1)


def whole(graph: Graph, node: Node, shape: Shape) -> Node:
    """The node itself in the shape that it broadcasts to."""
    return graph.broadcast(node, squeezed(shape))


def standing(shape: Shape, axes: Sequence[int]) -> tuple[int, ...]:
    """Where axes of a shape stand without those of length 1, which have no place."""
    kept_axes = [axis for axis, n in enumerate(shape) if n != 1]
    return tuple(kept_axes.index(axis) for axis in axes if axis in kept_axes)


def shape_of(equation: Any, number: int = 0) -> Shape:
    """Of an equation's operand."""
    return equation.invars[number].aval.shape


def out_of(equation: Any) -> Shape:
    """Of what an equation gives."""
    return equation.outvars[0].aval.shape


def spread(graph: Graph, node: Node, before: Shape, after: Shape, axes: Sequence[int]) -> Node:
    """Axes are put where they broadcast from; nothing is repeated before it must be."""
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
    """Pieces of known shapes beside each other along one axis, which may have length 1 in some."""
    kept_axes = [k for k, n in enumerate(out) if n != 1 or k == axis]
    parts = [graph.reshape(whole(graph, node, shape), tuple(shape[k] for k in kept_axes)) for node, shape in pieces]
    joined = parts[0] if len(parts) == 1 else graph.apply("concatenate", *parts, axis=kept_axes.index(axis))
    return graph.reshape(joined, squeezed(out))


def cut(graph: Graph, node: Node, shape: Shape, cuts: Sequence[tuple[int, int, int]]) -> Node:
    """From a start, up to a limit, in steps, along every axis."""
    kept_cuts = [bounds for bounds, n in zip(cuts, shape, strict=True) if n != 1]
    out = tuple(len(range(*bounds)) for bounds in cuts)
    if out == tuple(shape):
        return node
    return graph.reshape(graph.apply("slice", whole(graph, node, shape), cuts=tuple(kept_cuts)), squeezed(out))
