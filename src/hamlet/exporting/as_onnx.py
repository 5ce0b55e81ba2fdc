"""A policy as an ONNX model. Inputs that may be left out have their defaults in it."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hamlet.exporting.decision import Port
from hamlet.exporting.graph import Node, needed
from hamlet.extras import bring

if TYPE_CHECKING:
    import onnx

# Of 2022: runtimes of today and of some years ago read it.
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
    "matmul": "MatMul",
}


def require_onnx() -> Any:
    """The package.

    Raises:
        RequestError: It cannot be imported.
    """
    return bring("onnx", "the format onnx", "leave it out by --format numpy,stablehlo")


def model(name: str, inputs: Sequence[Port], outputs: Sequence[Port], nodes: Sequence[Node]) -> "onnx.ModelProto":
    """The model of one agent, checked.

    Args:
        name: Of the graph.
        inputs: What it takes.
        outputs: What it gives.
        nodes: The outputs.

    Raises:
        RequestError: If ONNX cannot be imported.
    """
    onnx = require_onnx()
    writer = _Writer(onnx.helper, onnx.numpy_helper)
    for node in needed(nodes):
        writer.add(node)
    for port, node in zip(outputs, nodes, strict=True):
        writer.nodes.append(onnx.helper.make_node("Identity", [writer.word(node)], [port.name]))
    given = [_info(onnx, port) for port in inputs]
    defaults = [onnx.numpy_helper.from_array(port.blank(), port.name) for port in inputs if port.default is not None]
    graph = onnx.helper.make_graph(
        writer.nodes, name, given, [_info(onnx, port) for port in outputs], [*defaults, *writer.constants]
    )
    model_proto = onnx.helper.make_model(
        graph, producer_name="hamlet", opset_imports=[onnx.helper.make_opsetid("", _OPSET)], ir_version=_FORMAT
    )
    onnx.checker.check_model(model_proto, full_check=True)
    return model_proto


def _info(onnx: Any, port: Port) -> Any:
    return onnx.helper.make_tensor_value_info(port.name, _kind(onnx.helper, port.dtype), port.shape)


def _kind(helper: Any, dtype: Any) -> int:
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


class _Writer:
    """Nodes and constants of a model in the making."""

    def __init__(self, helper: Any, numpy_helper: Any) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._helper, self._arrays = helper, numpy_helper
        self._words: dict[int, str] = {}

    def word(self, node: Node) -> str:
        """What a node's result is called."""
        if id(node) not in self._words:
            if node.operation == "input":
                self._words[id(node)] = node.attributes["name"]
            elif node.is_constant:
                self._words[id(node)] = self.constant(node.value)
            else:
                self._words[id(node)] = f"v{len(self._words)}"
        return self._words[id(node)]

    def constant(self, value: Any) -> str:
        """What an array is called."""
        name = f"w{len(self.constants)}"
        self.constants.append(self._arrays.from_array(np.asarray(value), name))
        return name

    def whole(self, *numbers: int) -> str:
        """A row of int64, as shapes and axes are written."""
        return self.constant(np.asarray(numbers, np.int64))

    def put(self, kind: str, inputs: Sequence[str], out: str | None = None, **attributes: Any) -> str:
        """One operation of ONNX; what its result is called."""
        out = out or f"t{len(self.nodes)}"
        self.nodes.append(self._helper.make_node(kind, list(inputs), [out], **attributes))
        return out

    def add(self, node: Node) -> None:
        """The operations that stand for a node."""
        if node.is_constant or node.operation == "input":
            return
        inputs, out = [self.word(operand) for operand in node.inputs], self.word(node)
        if node.operation in _ONE_TO_ONE:
            self.put(_ONE_TO_ONE[node.operation], inputs, out)
        else:
            _COMPOSED[node.operation](self, node, inputs, out)

    def cast(self, name: str, dtype: Any, out: str | None = None) -> str:
        """As another type."""
        return self.put("Cast", [name], out, to=_kind(self._helper, dtype))


def _two(inner: str, outer: str) -> Callable[..., None]:
    return lambda w, node, x, out: w.put(outer, [w.put(inner, x)], out)


def _reduce(kind: str) -> Callable[..., None]:
    def write(w: _Writer, node: Node, x: list[str], out: str) -> None:
        w.put(kind, [x[0], w.whole(*node.attributes["axes"])], out, keepdims=0)

    return write


def _position(kind: str) -> Callable[..., None]:
    def write(w: _Writer, node: Node, x: list[str], out: str) -> None:
        w.put(kind, x, out, axis=node.attributes["axis"], keepdims=0)

    return write


def _slice(w: _Writer, node: Node, x: list[str], out: str) -> None:
    starts, stops, steps = zip(*node.attributes["cuts"], strict=True)
    w.put("Slice", [x[0], w.whole(*starts), w.whole(*stops), w.whole(*range(len(starts))), w.whole(*steps)], out)


def _pad(w: _Writer, node: Node, x: list[str], out: str) -> None:
    value = w.constant(np.asarray(node.attributes["value"], node.dtype))
    w.put("Pad", [x[0], w.whole(*node.attributes["before"], *node.attributes["after"]), value], out)


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
    "reduce_sum": _reduce("ReduceSum"),
    "reduce_max": _reduce("ReduceMax"),
    "reduce_min": _reduce("ReduceMin"),
    "reduce_prod": _reduce("ReduceProd"),
    "argmax": _position("ArgMax"),
    "argmin": _position("ArgMin"),
    "cumsum": lambda w, node, x, out: w.put("CumSum", [x[0], w.constant(np.int64(node.attributes["axis"]))], out),
    "reshape": lambda w, node, x, out: w.put("Reshape", [x[0], w.whole(*node.shape)], out),
    "transpose": lambda w, node, x, out: w.put("Transpose", x, out, perm=list(node.attributes["order"])),
    "broadcast": lambda w, node, x, out: w.put("Expand", [x[0], w.whole(*node.shape)], out),
    "slice": _slice,
    "pad": _pad,
    "concatenate": lambda w, node, x, out: w.put("Concat", x, out, axis=node.attributes["axis"]),
}
