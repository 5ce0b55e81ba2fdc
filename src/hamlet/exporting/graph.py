"""A policy as a graph of few, simple operations, made smaller while it is built.

Every operation is written once as NumPy source (`OPERATIONS`). What depends on constants alone is computed by that
source at once, and so are the shapes of what does not; equal operations on equal inputs are one node.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# From an operation to NumPy source: the inputs by number, attributes by name.
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
    # Of form.
    "reshape": "{0}.reshape({shape})",
    "transpose": "{0}.transpose({order})",
    "broadcast": "np.broadcast_to({0}, {shape})",
    "slice": "{0}[{cuts}]",
    "pad": "_pad({0}, {before}, {after}, {value})",
    "concatenate": "np.concatenate(({inputs}), {axis})",
    "matmul": "{0} @ {1}",
}
# Numbers that change nothing: on the right of an operation, and on the left where its sides can be exchanged.
_NEUTRAL = {"add": 0.0, "sub": 0.0, "mul": 1.0, "div": 1.0, "max": -np.inf, "min": np.inf}
_SYMMETRIC = ("add", "mul", "max", "min")
# What NumPy has not itself, or slowly.
FUNCTIONS = {
    "_erf": "_erf = np.vectorize(math.erf, otypes=[np.float32])\n",
    "_pad": '''def _pad(x, before, after, value):
    """With so many entries of a value before and after those of each axis."""
    wide = np.full([b + n + a for b, n, a in zip(before, x.shape, after)], value, x.dtype)
    wide[tuple(slice(b, b + n) for b, n in zip(before, x.shape))] = x
    return wide
''',
}


@dataclass(eq=False)
class Node:
    """A value: of a constant, of an input, or of an operation on others.

    Attributes:
        operation: A key of `OPERATIONS`, "constant" or "input".
        inputs: What it is computed from.
        attributes: Numbers that belong to the operation; an input's ``name``.
        shape: Of the array.
        dtype: Of the array.
        value: A constant's.
    """

    operation: str
    inputs: tuple["Node", ...]
    attributes: dict[str, Any]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    value: Any = None

    @property
    def is_constant(self) -> bool:
        """Whether its value is known."""
        return self.operation == "constant"

    def source(self, *names: str) -> str:
        """The NumPy source of the operation on variables of these names."""
        attributes = self.attributes
        if self.operation == "slice":
            attributes = {"cuts": ", ".join(_cut(*cut) for cut in attributes["cuts"])}
        inputs = "".join(f"{name}, " for name in names)
        return OPERATIONS[self.operation].format(*names, inputs=inputs, **attributes)


@dataclass
class Graph:
    """Makes nodes, each no more than once, and none that a constant could be."""

    _made: dict[Any, tuple[Node, tuple[Node, ...]]] = field(default_factory=dict)

    def constant(self, value: Any) -> Node:
        """A known value."""
        array = np.array(value, order="C")  # a copy: weights that were transposed lie as they are read
        return Node("constant", (), {}, array.shape, array.dtype, array)

    def input(self, name: str, shape: tuple[int, ...], dtype: Any) -> Node:
        """What is given at every step."""
        return Node("input", (), {"name": name}, shape, np.dtype(dtype))

    def apply(self, operation: str, *inputs: Node, **attributes: Any) -> Node:
        """An operation on nodes."""
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
            # With the inputs, whose identity is the key.
            self._made[key] = self.constant(result) if known else node, inputs
        return self._made[key][0]

    def _simpler(self, operation: str, inputs: Sequence[Node]) -> Node | None:
        """What does the same with less, if anything does."""
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
        """The same numbers in another shape."""
        if node.shape == shape:
            return node
        if node.operation == "reshape":
            return self.reshape(node.inputs[0], shape)
        return self.apply("reshape", node, shape=shape)

    def broadcast(self, node: Node, shape: tuple[int, ...]) -> Node:
        """Repeated to a shape."""
        return node if node.shape == shape else self.apply("broadcast", node, shape=shape)

    def transpose(self, node: Node, order: Sequence[int]) -> Node:
        """The axes in another order."""
        order = tuple(order)
        return node if order == tuple(range(len(order))) else self.apply("transpose", node, order=order)

    def cast(self, node: Node, dtype: Any) -> Node:
        """As another type."""
        dtype = np.dtype(dtype)
        return node if node.dtype == dtype else self.apply("cast", node, dtype=_type_name(dtype))


def evaluate(node: Node, values: Sequence[np.ndarray]) -> np.ndarray:
    """What an operation gives for some values, by its NumPy source."""
    names = {f"x{k}": value for k, value in enumerate(values)}
    with np.errstate(all="ignore"):
        result = np.asarray(eval(node.source(*names), _NAMESPACE, names))
    # A sum of whole numbers would become wider.
    return result.astype(values[0].dtype) if node.operation == "reduce_sum" else result


def needed(outputs: Iterable[Node]) -> list[Node]:
    """Every node that the outputs depend on, each after those that it is computed from."""
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
    """Numbers as Python's own, which source and other formats write as they are."""
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
