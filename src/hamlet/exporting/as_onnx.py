"""Export of a policy as an ONNX model that processes a batch of observations.

Every input and output has a first axis ``batch`` of any length. The graph of `hamlet.exporting.graph` describes one
observation. In the ONNX model, the array of each node that is not a constant gets the batch axis in front. Optional
inputs have default values in the model. These have batch length 1, and the model repeats them to the length of the
batch.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hamlet.exporting.decision import Port
from hamlet.exporting.graph import Node, needed
from hamlet.extras import bring

if TYPE_CHECKING:
    import onnx

# Versions from 2022, which current runtimes and runtimes from some years ago can read.
_OPSET, _FORMAT = 18, 8
_ONE_TO_ONE = {
    "neg": "Neg",
    "exp": "Exp",
    "log": "Log",
    "tanh": "Tanh",
    "sin": "Sin",
    "cos": "Cos",
    "sqrt": "Sqrt",
    "abs": "Abs",
    "sign": "Sign",
    "floor": "Floor",
    "ceil": "Ceil",
    "round": "Round",
    "logistic": "Sigmoid",
    "erf": "Erf",
    "not": "Not",
    "and": "And",
    "or": "Or",
    "xor": "Xor",
    "add": "Add",
    "sub": "Sub",
    "mul": "Mul",
    "div": "Div",
    "max": "Max",
    "min": "Min",
    "pow": "Pow",
    "eq": "Equal",
    "lt": "Less",
    "le": "LessOrEqual",
    "gt": "Greater",
    "ge": "GreaterOrEqual",
    "where": "Where",
}
_BATCH = "batch"


def require_onnx() -> Any:
    """Return the package onnx.

    Raises:
        RequestError: The package cannot be imported.
    """
    return bring("onnx", "the format onnx", "leave it out by --format numpy,stablehlo")


def model(name: str, inputs: Sequence[Port], outputs: Sequence[Port], nodes: Sequence[Node]) -> "onnx.ModelProto":
    """Return the ONNX model of one agent's policy, after onnx has checked it.

    Args:
        name: The name of the ONNX graph.
        inputs: The inputs of the policy.
        outputs: The outputs of the policy.
        nodes: The nodes of the graph that compute the outputs, in the same order.

    Raises:
        RequestError: The package onnx cannot be imported.
    """
    onnx = require_onnx()
    observed = next(port.name for port in inputs if port.default is None)
    writer = _Writer(onnx.helper, onnx.numpy_helper, observed)
    for port in inputs:
        if port.default is not None:
            writer.repeat_default(port)
    for node in needed(nodes):
        writer.add(node)
    for port, node in zip(outputs, nodes, strict=True):
        writer.put("Identity", [writer.repeated(node)], port.name)
    given = [_info(onnx, port) for port in inputs]
    blanks = {port.name: port.blank()[None] for port in inputs if port.default is not None}
    defaults = [onnx.numpy_helper.from_array(blank, name) for name, blank in blanks.items()]
    graph = onnx.helper.make_graph(
        writer.nodes, name, given, [_info(onnx, port) for port in outputs], [*defaults, *writer.constants]
    )
    model_proto = onnx.helper.make_model(
        graph, producer_name="hamlet", opset_imports=[onnx.helper.make_opsetid("", _OPSET)], ir_version=_FORMAT
    )
    onnx.checker.check_model(model_proto, full_check=True)
    return model_proto


def _info(onnx: Any, port: Port) -> Any:
    return onnx.helper.make_tensor_value_info(port.name, _kind(onnx.helper, port.dtype), [_BATCH, *port.shape])


def _kind(helper: Any, dtype: Any) -> int:
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


class _Writer:
    """The ONNX nodes and constants of a model that is being built.

    Args:
        helper: ``onnx.helper``.
        numpy_helper: ``onnx.numpy_helper``.
        observed: The name of a required input, from which the model reads the length of the batch.
    """

    def __init__(self, helper: Any, numpy_helper: Any, observed: str) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._helper, self._arrays, self._observed = helper, numpy_helper, observed
        self._words: dict[int, str] = {}
        self._defaults: dict[str, str] = {}
        self._length: str | None = None

    def word(self, node: Node) -> str:
        """Return the name of a node's result."""
        if id(node) not in self._words:
            if node.operation == "input":
                name: str = node.attributes["name"]
                self._words[id(node)] = self._defaults.get(name, name)
            elif node.is_constant:
                self._words[id(node)] = self.constant(node.value)
            else:
                self._words[id(node)] = f"v{len(self._words)}"
        return self._words[id(node)]

    def constant(self, value: Any) -> str:
        """Add a constant array, and return its name."""
        name = f"w{len(self.constants)}"
        self.constants.append(self._arrays.from_array(np.asarray(value), name))
        return name

    def whole(self, *numbers: int) -> str:
        """Add an int64 vector, the form of shapes and axes in ONNX, and return its name."""
        return self.constant(np.asarray(numbers, np.int64))

    def put(self, kind: str, inputs: Sequence[str], out: str | None = None, **attributes: Any) -> str:
        """Add one ONNX operation, and return the name of its result."""
        out = out or f"t{len(self.nodes)}"
        self.nodes.append(self._helper.make_node(kind, list(inputs), [out], **attributes))
        return out

    def add(self, node: Node) -> None:
        """Add the ONNX operations of a node."""
        if node.is_constant or node.operation == "input":
            return
        out = self.word(node)
        if node.operation in _OF_FORM:
            _OF_FORM[node.operation](self, node, [self.word(operand) for operand in node.inputs], out)
            return
        # Shapes broadcast from the right. All inputs get the same number of axes, so that the batch axis aligns.
        inputs = [self.aligned(operand, len(node.shape)) for operand in node.inputs]
        if node.operation in _ONE_TO_ONE:
            self.put(_ONE_TO_ONE[node.operation], inputs, out)
        else:
            _COMPOSED[node.operation](self, node, inputs, out)

    def aligned(self, node: Node, rank: int) -> str:
        """Return a node's result with ``rank`` axes after the batch axis; axes of length 1 are added in front."""
        missing = rank - len(node.shape)
        if node.is_constant or missing <= 0:
            return self.word(node)
        return self.reshape(self.word(node), (1,) * missing + node.shape)

    def reshape(self, name: str, shape: Sequence[int], out: str | None = None) -> str:
        """Reshape a result; the batch axis is not part of ``shape`` and stays."""
        return self.put("Reshape", [name, self.whole(0, *shape)], out)  # 0 keeps the length of the axis

    def repeated(self, node: Node) -> str:
        """Return a node's result with a batch axis. A constant has none, and is repeated."""
        if not node.is_constant:
            return self.word(node)
        return self._expanded(self.constant(np.asarray(node.value)[None]), node.shape)

    def repeat_default(self, port: Port) -> None:
        """Repeat an optional input to the length of the batch."""
        self._defaults[port.name] = self._expanded(port.name, port.shape)

    def _expanded(self, name: str, shape: Sequence[int]) -> str:
        if self._length is None:
            self._length = self.put("Shape", [self._observed], start=0, end=1)
        return self.put("Expand", [name, self.put("Concat", [self._length, self.whole(*shape)], axis=0)])

    def cast(self, name: str, dtype: Any, out: str | None = None) -> str:
        """Cast a result to another type."""
        return self.put("Cast", [name], out, to=_kind(self._helper, dtype))


def _two(inner: str, outer: str) -> Callable[..., None]:
    return lambda w, node, x, out: w.put(outer, [w.put(inner, x)], out)


def _reduce(kind: str) -> Callable[..., None]:
    def write(w: _Writer, node: Node, x: list[str], out: str) -> None:
        axes = [_behind(axis, node.inputs[0]) for axis in node.attributes["axes"]]
        w.put(kind, [x[0], w.whole(*axes)], out, keepdims=0)

    return write


def _position(kind: str) -> Callable[..., None]:
    def write(w: _Writer, node: Node, x: list[str], out: str) -> None:
        w.put(kind, x, out, axis=_behind(node.attributes["axis"], node.inputs[0]), keepdims=0)

    return write


def _behind(axis: int, node: Node) -> int:
    """Return the index of a node's axis when the batch axis is in front."""
    return axis % len(node.shape) + 1


def _cumsum(w: _Writer, node: Node, x: list[str], out: str) -> None:
    w.put("CumSum", [x[0], w.constant(np.int64(_behind(node.attributes["axis"], node.inputs[0])))], out)


def _transpose(w: _Writer, node: Node, x: list[str], out: str) -> None:
    w.put("Transpose", x, out, perm=[0, *(_behind(axis, node) for axis in node.attributes["order"])])


def _broadcast(w: _Writer, node: Node, x: list[str], out: str) -> None:
    w.put("Expand", [w.aligned(node.inputs[0], len(node.shape)), w.whole(1, *node.shape)], out)


def _slice(w: _Writer, node: Node, x: list[str], out: str) -> None:
    starts, stops, steps = zip(*node.attributes["cuts"], strict=True)
    axes = range(1, len(starts) + 1)
    w.put("Slice", [x[0], w.whole(*starts), w.whole(*stops), w.whole(*axes), w.whole(*steps)], out)


def _pad(w: _Writer, node: Node, x: list[str], out: str) -> None:
    value = w.constant(np.asarray(node.attributes["value"], node.dtype))
    w.put("Pad", [x[0], w.whole(0, *node.attributes["before"], 0, *node.attributes["after"]), value], out)


def _concatenate(w: _Writer, node: Node, x: list[str], out: str) -> None:
    w.put("Concat", [w.repeated(operand) for operand in node.inputs], out, axis=_behind(node.attributes["axis"], node))


def _matmul(w: _Writer, node: Node, x: list[str], out: str) -> None:
    left, right = node.inputs
    if right.is_constant and len(right.shape) <= 2:
        w.put("MatMul", x, out)
        return
    # Vectors become matrices, and both operands get the same number of axes.
    shapes = [(1, *left.shape) if len(left.shape) == 1 else left.shape]
    shapes += [(*right.shape, 1) if len(right.shape) == 1 else right.shape]
    rank = max(map(len, shapes))
    names = []
    for operand, shape in zip(node.inputs, shapes, strict=True):
        shape = (1,) * (rank - len(shape)) + tuple(shape)
        names.append(
            w.constant(np.reshape(operand.value, shape)) if operand.is_constant else w.reshape(w.word(operand), shape)
        )
    w.reshape(w.put("MatMul", names), node.shape, out)


def _finite(w: _Writer, node: Node, x: list[str], out: str) -> None:
    w.put("Not", [w.put("Or", [w.put("IsInf", x), w.put("IsNaN", x)])], out)


def _one(w: _Writer, node: Node) -> str:
    return w.constant(np.ones((), node.dtype))


_COMPOSED: dict[str, Callable[..., Any]] = {
    "square": lambda w, node, x, out: w.put("Mul", [x[0], x[0]], out),
    "rsqrt": _two("Sqrt", "Reciprocal"),
    "ne": _two("Equal", "Not"),
    "log1p": lambda w, node, x, out: w.put("Log", [w.put("Add", [x[0], _one(w, node)])], out),
    "expm1": lambda w, node, x, out: w.put("Sub", [w.put("Exp", x), _one(w, node)], out),
    "rem": lambda w, node, x, out: w.put("Mod", x, out, fmod=1),
    "is_finite": _finite,
    "cast": lambda w, node, x, out: w.cast(x[0], node.dtype, out),
}
# Operations whose attributes name axes or shapes. Their inputs are not aligned.
_OF_FORM: dict[str, Callable[..., Any]] = {
    "reduce_sum": _reduce("ReduceSum"),
    "reduce_max": _reduce("ReduceMax"),
    "reduce_min": _reduce("ReduceMin"),
    "reduce_prod": _reduce("ReduceProd"),
    "argmax": _position("ArgMax"),
    "argmin": _position("ArgMin"),
    "cumsum": _cumsum,
    "reshape": lambda w, node, x, out: w.reshape(x[0], node.shape, out),
    "transpose": _transpose,
    "broadcast": _broadcast,
    "slice": _slice,
    "pad": _pad,
    "concatenate": _concatenate,
    "matmul": _matmul,
}
