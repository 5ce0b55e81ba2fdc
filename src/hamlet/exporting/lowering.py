"""Translation of a traced JAX function to a graph, with one rule for each primitive.

A policy is traced for one observation, so most axes have length 1. A node represents an array without these axes; its
shape broadcasts to the remaining shape of the array. This removes most reshapes and all repetitions of single rows.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from jax.extend import core

from hamlet.exporting.axes import Untranslatable, cut, join, out_of, shape_of, spread, squeezed, standing, whole
from hamlet.exporting.graph import Graph, Node

# The largest number of steps of a loop that is unrolled.
_LONGEST = 64


Rule = Callable[[Graph, Any, list[Node]], "Node | list[Node]"]


def lower(graph: Graph, closed: core.ClosedJaxpr, inputs: Sequence[Node]) -> list[Node]:
    """Return the outputs of a traced function as nodes, each with the shape of the function's output.

    Args:
        graph: The graph in which the nodes are made.
        closed: The traced function.
        inputs: The arguments as nodes. Each one broadcasts to the argument's shape without its axes of length 1.

    Raises:
        Untranslatable: The function uses a primitive without a rule.
    """
    results = _inline(graph, closed, list(inputs))
    shapes = [out.aval.shape for out in closed.jaxpr.outvars]
    return [graph.reshape(whole(graph, node, shape), shape) for node, shape in zip(results, shapes, strict=True)]


def _inline(graph: Graph, closed: Any, inputs: list[Node]) -> list[Node]:
    jaxpr = getattr(closed, "jaxpr", closed)
    known: dict[Any, Node] = dict(zip(jaxpr.invars, inputs, strict=True))
    for variable, value in zip(jaxpr.constvars, getattr(closed, "consts", ()), strict=True):
        known[variable] = _constant(graph, value)

    def read(one: Any) -> Node:
        if not isinstance(one, core.Literal):
            return known[one]
        kind: Any = one.aval  # the type of a Python number comes from the trace
        return _constant(graph, np.asarray(one.val, kind.dtype))

    for equation in jaxpr.eqns:
        nodes = _translate(graph, equation, [read(atom) for atom in equation.invars])
        known.update(zip(equation.outvars, nodes if isinstance(nodes, list) else [nodes], strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _translate(graph: Graph, equation: Any, inputs: list[Node]) -> Node | list[Node]:
    name = equation.primitive.name
    for key in ("call_jaxpr", "jaxpr", "fun_jaxpr"):
        if name != "scan" and key in equation.params:
            if len(getattr(equation.params[key], "jaxpr", equation.params[key]).invars) != len(inputs):
                raise Untranslatable(name)
            return _inline(graph, equation.params[key], inputs)
    if name in _ELEMENTWISE:
        # One operand may have an axis of length 1 where the other operand has a longer axis.
        out = range(len(out_of(equation)))
        shapes = [atom.aval.shape for atom in equation.invars]
        inputs = [spread(graph, x, shape, out_of(equation), out) for x, shape in zip(inputs, shapes, strict=True)]
        return _SPECIAL[name](graph, equation, inputs) if name in _SPECIAL else graph.apply(name, *inputs)
    if name not in _RULES:
        raise Untranslatable(name)
    return _RULES[name](graph, equation, inputs)


def _constant(graph: Graph, value: Any) -> Node:
    array = np.asarray(value)
    return graph.constant(array.reshape(squeezed(array.shape)))


def _same(graph: Graph, equation: Any, inputs: list[Node]) -> Node:
    return inputs[0]


def _cast(graph: Graph, equation: Any, inputs: list[Node]) -> Node:
    return graph.cast(inputs[0], equation.params["new_dtype"])


def _integer_power(graph: Graph, equation: Any, inputs: list[Node]) -> Node:
    power = equation.params["y"]
    if power == 2:
        return graph.apply("square", inputs[0])
    return graph.apply("pow", inputs[0], graph.constant(np.asarray(power, inputs[0].dtype)))


def _division(graph: Graph, equation: Any, inputs: list[Node]) -> Node:
    if inputs[0].dtype.kind != "f":
        raise Untranslatable("div of integers")
    return graph.apply("div", *inputs)


def _logic(operation: str) -> Rule:
    def rule(graph: Graph, equation: Any, inputs: list[Node]) -> Node:
        if inputs[0].dtype != np.bool_:
            raise Untranslatable(f"{operation} of integers")
        return graph.apply(operation, *inputs)

    return rule


def _select(graph: Graph, equation: Any, inputs: list[Node]) -> Node:
    which, *cases = inputs
    if len(cases) != 2:
        raise Untranslatable("select_n with more than two cases")
    if which.is_constant and which.value.size and (which.value == which.value.flat[0]).all():
        return cases[int(which.value.flat[0])]
    return graph.apply("where", graph.cast(which, np.bool_), cases[1], cases[0])


def _clamp(graph: Graph, equation: Any, inputs: list[Node]) -> Node:
    low, x, high = inputs
    return graph.apply("min", graph.apply("max", x, low), high)


def _round(graph: Graph, equation: Any, inputs: list[Node]) -> Node:
    if int(equation.params["rounding_method"]) != 1:
        raise Untranslatable("round away from zero")
    return graph.apply("round", inputs[0])


def _broadcast(graph: Graph, equation: Any, inputs: list[Node]) -> Node:
    axes = [int(axis) for axis in equation.params["broadcast_dimensions"]]
    return spread(graph, inputs[0], shape_of(equation), out_of(equation), axes)


def _reshape(graph: Graph, equation: Any, inputs: list[Node]) -> Node:
    before, after = squeezed(shape_of(equation)), squeezed(out_of(equation))
    if equation.primitive.name == "reshape" and equation.params["dimensions"] is not None:
        raise Untranslatable("reshape with another order of axes")
    return inputs[0] if before == after else graph.reshape(graph.broadcast(inputs[0], before), after)


def _transpose(graph: Graph, equation: Any, inputs: list[Node]) -> Node:
    order = standing(shape_of(equation), equation.params["permutation"])
    if order == tuple(range(len(order))):
        return inputs[0]
    return graph.transpose(whole(graph, inputs[0], shape_of(equation)), order)


def _reduction(operation: str) -> Rule:
    def rule(graph: Graph, equation: Any, inputs: list[Node]) -> Node:
        axes = standing(shape_of(equation), equation.params["axes"])
        if not axes:
            return inputs[0]
        return graph.apply(operation, whole(graph, inputs[0], shape_of(equation)), axes=axes)

    return rule


def _all_or_any(operation: str) -> Rule:
    """Reduce booleans with the minimum (all) or the maximum (any) of the corresponding integers."""

    def rule(graph: Graph, equation: Any, inputs: list[Node]) -> Node:
        numbers = _reduction(operation)(graph, equation, [graph.cast(inputs[0], np.int32)])
        assert isinstance(numbers, Node)
        return graph.cast(numbers, np.bool_)

    return rule


def _position(operation: str) -> Rule:
    def rule(graph: Graph, equation: Any, inputs: list[Node]) -> Node:
        axes, kind = standing(shape_of(equation), equation.params["axes"]), equation.params["index_dtype"]
        if not axes:
            return graph.constant(np.zeros(squeezed(out_of(equation)), kind))
        node = graph.apply(operation, whole(graph, inputs[0], shape_of(equation)), axis=axes[0])
        return graph.cast(node, kind)

    return rule


def _cumulative_sum(graph: Graph, equation: Any, inputs: list[Node]) -> Node:
    axes = standing(shape_of(equation), (equation.params["axis"],))
    if equation.params["reverse"] or inputs[0].dtype.kind != "f":
        raise Untranslatable("reverse cumsum, or cumsum of integers")
    return graph.apply("cumsum", whole(graph, inputs[0], shape_of(equation)), axis=axes[0]) if axes else inputs[0]


def _iota(graph: Graph, equation: Any, inputs: list[Node]) -> Node:
    shape, axis, kind = (equation.params[key] for key in ("shape", "dimension", "dtype"))
    along = np.arange(shape[axis]).astype(kind).reshape([-1 if k == axis else 1 for k in range(len(shape))])
    return _constant(graph, np.broadcast_to(along, shape))


def _concatenate(graph: Graph, equation: Any, inputs: list[Node]) -> Node:
    pieces = [(node, atom.aval.shape) for node, atom in zip(inputs, equation.invars, strict=True)]
    return join(graph, pieces, equation.params["dimension"], out_of(equation))


def _stack(graph: Graph, equation: Any, inputs: list[Node]) -> Node:
    axis, out = equation.params["axis"], out_of(equation)
    shape = (*out[:axis], 1, *out[axis + 1 :])
    return join(graph, [(node, shape) for node in inputs], axis, out)


def _slice(graph: Graph, equation: Any, inputs: list[Node]) -> Node:
    starts, limits = equation.params["start_indices"], equation.params["limit_indices"]
    steps = equation.params["strides"] or (1,) * len(starts)
    return cut(graph, inputs[0], shape_of(equation), list(zip(starts, limits, steps, strict=True)))


def _dynamic_slice(graph: Graph, equation: Any, inputs: list[Node]) -> Node:
    node, *starts = inputs
    if not all(start.is_constant for start in starts):
        raise Untranslatable("dynamic_slice with a computed start")
    sizes, shape = equation.params["slice_sizes"], shape_of(equation)
    first = [min(max(int(s.value), 0), n - size) for s, n, size in zip(starts, shape, sizes, strict=True)]
    return cut(graph, node, shape, [(offset, offset + size, 1) for offset, size in zip(first, sizes, strict=True)])


def _split(graph: Graph, equation: Any, inputs: list[Node]) -> list[Node]:
    sizes, axis, shape = equation.params["sizes"], equation.params["axis"], shape_of(equation)
    ends = np.cumsum((0, *sizes)).tolist()
    uncut = [(0, n, 1) for n in shape]
    return [
        cut(graph, inputs[0], shape, [*uncut[:axis], (ends[k], ends[k + 1], 1), *uncut[axis + 1 :]])
        for k in range(len(sizes))
    ]


def _pad(graph: Graph, equation: Any, inputs: list[Node]) -> Node:
    node, value = inputs
    config, shape, out = equation.params["padding_config"], shape_of(equation), out_of(equation)
    if not value.is_constant or any(before < 0 or after < 0 or inner for before, after, inner in config):
        raise Untranslatable("pad with interior or negative padding")
    if shape == out:
        return node
    kept_axes = [k for k, n in enumerate(out) if n != 1]
    part = graph.reshape(whole(graph, node, shape), tuple(shape[k] for k in kept_axes))
    before, after = (tuple(config[k][end] for k in kept_axes) for end in (0, 1))
    return graph.apply("pad", part, before=before, after=after, value=value.value.item())


def _dot(graph: Graph, equation: Any, inputs: list[Node]) -> Node:
    """Translate dot_general to a product of two matrices, or of a vector and a matrix, for each batch entry."""
    (contracted, batched), out = equation.params["dimension_numbers"], out_of(equation)
    # In a product of a matrix and a vector, the vector comes first. Weights are transposed in advance, and runtimes are
    # optimised for this order.
    vector = len(squeezed(shape_of(equation, 1))) == len(standing(shape_of(equation, 1), contracted[1]))
    sides = []
    for number in (1, 0) if vector else (0, 1):
        shape = shape_of(equation, number)
        dims, along, batch = squeezed(shape), standing(shape, contracted[number]), standing(shape, batched[number])
        free = tuple(k for k in range(len(dims)) if k not in along + batch)
        order = (*batch, *free, *along) if not sides else (*batch, *along, *free)
        node = graph.transpose(whole(graph, inputs[number], shape), order)
        lengths = [tuple(dims[k] for k in axes) for axes in (batch, free, along)]
        sides.append((node, *lengths))
    (left, batch, rows, along), (right, _, columns, _) = sides
    if not along:
        left = graph.reshape(left, (*batch, *rows, *(1,) * len(columns)))
        return graph.apply("mul", left, graph.reshape(right, (*batch, *(1,) * len(rows), *columns)))
    has_rows, has_columns = bool(rows or batch), bool(columns or batch)
    left = graph.reshape(left, (*batch, *((prod(rows),) if has_rows else ()), prod(along)))
    right = graph.reshape(right, (*batch, prod(along), *((prod(columns),) if has_columns else ())))
    return graph.reshape(graph.apply("matmul", left, right), squeezed(out))


def _scan(graph: Graph, equation: Any, inputs: list[Node]) -> list[Node]:
    """Unroll a loop. A policy acts for one step, so a loop over time usually has one step."""
    consts, carried, length = (equation.params[key] for key in ("num_consts", "num_carry", "length"))
    if length > _LONGEST or length < 1:
        raise Untranslatable(f"scan over {length} steps")
    fixed, carry, rows = inputs[:consts], inputs[consts : consts + carried], inputs[consts + carried :]
    shapes = [atom.aval.shape for atom in equation.invars[consts + carried :]]
    outs: dict[int, list[Node]] = {}
    for step in reversed(range(length)) if equation.params["reverse"] else range(length):
        now = [
            cut(graph, row, shape, [(step, step + 1, 1), *((0, n, 1) for n in shape[1:])])
            for row, shape in zip(rows, shapes, strict=True)
        ]
        carry_and_outs = _inline(graph, equation.params["jaxpr"], [*fixed, *carry, *now])
        carry, outs[step] = carry_and_outs[:carried], carry_and_outs[carried:]
    stacked = []
    for number, atom in enumerate(equation.outvars[carried:]):
        shape = (1, *atom.aval.shape[1:])
        stacked.append(join(graph, [(outs[step][number], shape) for step in range(length)], 0, atom.aval.shape))
    return [*carry, *stacked]


def _branch(graph: Graph, equation: Any, inputs: list[Node]) -> list[Node]:
    which, *rest = inputs
    if not which.is_constant:
        raise Untranslatable("cond with a computed condition")
    branches = equation.params["branches"]
    return _inline(graph, branches[min(max(int(which.value), 0), len(branches) - 1)], rest)


# Primitives that are operations of the graph under the same names.
_ELEMENTWISE = {
    *("neg", "exp", "log", "log1p", "expm1", "tanh", "sin", "cos", "sqrt", "rsqrt", "abs", "sign", "floor", "ceil"),
    *("logistic", "erf", "square", "is_finite", "add", "sub", "mul", "max", "min", "pow", "rem"),
    *("eq", "ne", "lt", "le", "gt", "ge", "div", "not", "and", "or", "xor"),
}
# Elementwise primitives that are not translated for all types.
_SPECIAL: dict[str, Rule] = {
    "div": _division,
    "not": _logic("not"),
    "and": _logic("and"),
    "or": _logic("or"),
    "xor": _logic("xor"),
}
_RULES: dict[str, Rule] = {
    "stop_gradient": _same,
    "copy": _same,
    "optimization_barrier": lambda graph, equation, inputs: inputs,
    "convert_element_type": _cast,
    "integer_pow": _integer_power,
    "erfc": lambda graph, equation, inputs: graph.apply(
        "sub", graph.constant(np.float32(1)), graph.apply("erf", *inputs)
    ),
    "select_n": _select,
    "clamp": _clamp,
    "round": _round,
    "broadcast_in_dim": _broadcast,
    "reshape": _reshape,
    "squeeze": _reshape,
    "expand_dims": _reshape,
    "transpose": _transpose,
    "reduce_sum": _reduction("reduce_sum"),
    "reduce_max": _reduction("reduce_max"),
    "reduce_min": _reduction("reduce_min"),
    "reduce_prod": _reduction("reduce_prod"),
    "reduce_and": _all_or_any("reduce_min"),
    "reduce_or": _all_or_any("reduce_max"),
    "argmax": _position("argmax"),
    "argmin": _position("argmin"),
    "cumsum": _cumulative_sum,
    "iota": _iota,
    "concatenate": _concatenate,
    "stack": _stack,
    "slice": _slice,
    "dynamic_slice": _dynamic_slice,
    "split": _split,
    "pad": _pad,
    "dot_general": _dot,
    "scan": _scan,
    "cond": _branch,
}
