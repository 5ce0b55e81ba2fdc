"""A policy as a graph of a few simple operations. The graph is simplified while it is built.

`OPERATIONS` defines every operation once, as NumPy source code. This code also evaluates nodes while the graph is
built: it computes the values of nodes that depend only on constants, and the shapes of all other nodes. Equal
operations on equal inputs share one node.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# The NumPy source code of each operation. Inputs are inserted by number, attributes by name.
OPERATIONS = {
    # Elementwise; shapes broadcast.
    "neg": "-{0}",
    "exp": "np.exp({0})",
    "log": "np.log({0})",
    "log1p": "np.log1p({0})",
    "expm1": "np.expm1({0})",
    "tanh": "np.tanh({0})",
    "sin": "np.sin({0})",
    "cos": "np.cos({0})",
    "sqrt": "np.sqrt({0})",
    "rsqrt": "1.0 / np.sqrt({0})",
    "abs": "np.abs({0})",
    "sign": "np.sign({0})",
    "floor": "np.floor({0})",
    "ceil": "np.ceil({0})",
    "round": "np.rint({0})",
    # 1 / (1 + exp(−x)) without overflow.
    "logistic": "0.5 * np.tanh(0.5 * {0}) + 0.5",
    "erf": "_erf({0})",
    "square": "{0} * {0}",
    "is_finite": "np.isfinite({0})",
    "not": "np.logical_not({0})",
    "and": "np.logical_and({0}, {1})",
    "or": "np.logical_or({0}, {1})",
    "xor": "np.logical_xor({0}, {1})",
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "max": "np.maximum({0}, {1})",
    "min": "np.minimum({0}, {1})",
    "pow": "np.power({0}, {1})",
    "rem": "np.fmod({0}, {1})",
    "eq": "{0} == {1}",
    "ne": "{0} != {1}",
    "lt": "{0} < {1}",
    "le": "{0} <= {1}",
    "gt": "{0} > {1}",
    "ge": "{0} >= {1}",
    "where": "np.where({0}, {1}, {2})",
    "cast": "{0}.astype(np.{dtype})",
    # Along axes.
    "reduce_sum": "np.add.reduce({0}, {axes})",
    "reduce_max": "np.maximum.reduce({0}, {axes})",
    "reduce_min": "np.minimum.reduce({0}, {axes})",
    "reduce_prod": "np.multiply.reduce({0}, {axes})",
    "argmax": "np.argmax({0}, {axis})",
    "argmin": "np.argmin({0}, {axis})",
    "cumsum": "np.cumsum({0}, {axis})",
    # Shapes and products.
    "reshape": "{0}.reshape({shape})",
    "transpose": "{0}.transpose({order})",
    "broadcast": "np.broadcast_to({0}, {shape})",
    "slice": "{0}[{cuts}]",
    "pad": "_pad({0}, {before}, {after}, {value})",
    "concatenate": "np.concatenate(({inputs}), {axis})",
    "matmul": "{0} @ {1}",
}
# Neutral numbers: as the right operand (for a symmetric operation also as the left operand) they change nothing.
_NEUTRAL = {"add": 0.0, "sub": 0.0, "mul": 1.0, "div": 1.0, "max": -np.inf, "min": np.inf}
_SYMMETRIC = ("add", "mul", "max", "min")
# Functions that NumPy does not have, or that are slow in NumPy.
FUNCTIONS = {
    "_erf": "_erf = np.vectorize(math.erf, otypes=[np.float32])\n",
    "_pad": '''def _pad(x, before, after, value):
    """Add the given numbers of entries with a value before and after each axis."""
    wide = np.full([b + n + a for b, n, a in zip(before, x.shape, after)], value, x.dtype)
    wide[tuple(slice(b, b + n) for b, n in zip(before, x.shape))] = x
    return wide
''',
}


@dataclass(eq=False)
class Node:
    """A value in the graph: a constant, an input, or the result of an operation on other nodes.

    Attributes:
        operation: A key of `OPERATIONS`, "constant" or "input".
        inputs: The operands.
        attributes: The attributes of the operation; for an input its ``name``.
        shape: The shape of the array.
        dtype: The type of the array.
        value: The value of a constant; None for other nodes.
    """

    operation: str
    inputs: tuple["Node", ...]
    attributes: dict[str, Any]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    value: Any = None

    @property
    def is_constant(self) -> bool:
        """Whether the node is a constant."""
        return self.operation == "constant"

    def source(self, *names: str) -> str:
        """Return the NumPy source code of the operation on variables with these names."""
        attributes = self.attributes
        if self.operation == "slice":
            attributes = {"cuts": ", ".join(_cut(*cut) for cut in attributes["cuts"])}
        inputs = "".join(f"{name}, " for name in names)
        return OPERATIONS[self.operation].format(*names, inputs=inputs, **attributes)


@dataclass
class Graph:
    """A builder of nodes. It makes equal nodes only once, and makes a constant wherever the value is known."""

    _made: dict[Any, tuple[Node, tuple[Node, ...]]] = field(default_factory=dict)

    def constant(self, value: Any) -> Node:
        """Return a constant node."""
        array = np.array(value, order="C")  # a copy, so that transposed weights are contiguous in the order of reading
        return Node("constant", (), {}, array.shape, array.dtype, array)

    def input(self, name: str, shape: tuple[int, ...], dtype: Any) -> Node:
        """Return a node for an input of the policy."""
        return Node("input", (), {"name": name}, shape, np.dtype(dtype))

    def apply(self, operation: str, *inputs: Node, **attributes: Any) -> Node:
        """Return the result of an operation on nodes."""
        if (simpler := self._simpler(operation, inputs)) is not None:
            return simpler
        attributes = {name: _plain(value) for name, value in attributes.items()}
        key = (operation, tuple(map(id, inputs)), repr(sorted(attributes.items())))
        if key not in self._made:
            node = Node(operation, inputs, attributes, (), np.dtype(bool))
            known = all(operand.is_constant for operand in inputs)
            result = evaluate(
                node, [operand.value if known else np.ones(operand.shape, operand.dtype) for operand in inputs]
            )
            node.shape, node.dtype = result.shape, result.dtype
            # The inputs are stored too: the key contains their ids, which must not be reused.
            self._made[key] = self.constant(result) if known else node, inputs
        return self._made[key][0]

    def _simpler(self, operation: str, inputs: Sequence[Node]) -> Node | None:
        """Return a simpler node with the same value, or None if there is none."""
        if operation == "reduce_sum" and inputs[0].operation == "square" and len(inputs[0].shape) == 1:
            row = inputs[0].inputs[0]
            return self.apply("matmul", row, row)
        if operation in _NEUTRAL and inputs[0].dtype.kind == "f":
            left, right = inputs
            for operand, other in ((left, right), (right, left)) if operation in _SYMMETRIC else ((left, right),):
                if other.is_constant and not other.shape and other.value == _NEUTRAL[operation]:
                    return operand
        return None

    def reshape(self, node: Node, shape: tuple[int, ...]) -> Node:
        """Reshape a node."""
        if node.shape == shape:
            return node
        if node.operation == "reshape":
            return self.reshape(node.inputs[0], shape)
        return self.apply("reshape", node, shape=shape)

    def broadcast(self, node: Node, shape: tuple[int, ...]) -> Node:
        """Broadcast a node to a shape."""
        return node if node.shape == shape else self.apply("broadcast", node, shape=shape)

    def transpose(self, node: Node, order: Sequence[int]) -> Node:
        """Permute the axes of a node."""
        order = tuple(order)
        return node if order == tuple(range(len(order))) else self.apply("transpose", node, order=order)

    def cast(self, node: Node, dtype: Any) -> Node:
        """Cast a node to another type."""
        dtype = np.dtype(dtype)
        return node if node.dtype == dtype else self.apply("cast", node, dtype=_type_name(dtype))


def evaluate(node: Node, values: Sequence[np.ndarray]) -> np.ndarray:
    """Evaluate the NumPy source code of an operation on values."""
    names = {f"x{k}": value for k, value in enumerate(values)}
    with np.errstate(all="ignore"):
        result = np.asarray(eval(node.source(*names), _NAMESPACE, names))
    # NumPy sums small integers in a wider type.
    return result.astype(values[0].dtype) if node.operation == "reduce_sum" else result


def needed(outputs: Iterable[Node]) -> list[Node]:
    """Return all nodes that the outputs depend on, in topological order: each node comes after its operands."""
    nodes_by_id: dict[int, Node] = {}
    stack = [(node, False) for node in reversed(list(outputs))]
    while stack:
        node, ready = stack.pop()
        if id(node) in nodes_by_id:
            continue
        if ready:
            nodes_by_id[id(node)] = node
        else:
            stack.append((node, True))
            stack.extend((operand, False) for operand in reversed(node.inputs))
    return list(nodes_by_id.values())


def _plain(value: Any) -> Any:
    """Convert NumPy scalars to Python numbers, which all formats can write."""
    if isinstance(value, tuple):
        return tuple(_plain(element) for element in value)
    return value.item() if isinstance(value, np.generic) else value


def _cut(start: int, stop: int, step: int) -> str:
    return f"{start}:{stop}" + (f":{step}" if step != 1 else "")


def _type_name(dtype: np.dtype[Any]) -> str:
    return "bool_" if dtype == np.bool_ else dtype.name


def _namespace() -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec("import math\nimport numpy as np\n" + "".join(FUNCTIONS.values()), names)
    return names


_NAMESPACE = _namespace()
