"""The translation of JAX: what it gives is what JAX gives, in NumPy and in ONNX."""

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet.exporting import as_onnx
from hamlet.exporting.axes import Untranslatable
from hamlet.exporting.decision import Port
from hamlet.exporting.graph import Graph, evaluate, needed
from hamlet.exporting.lowering import lower

X = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
W = np.random.default_rng(1).standard_normal((3, 3)).astype(np.float32)

# Of a [4, 3] array: what networks of one's own may do.
FUNCTIONS = {
    "elementwise": lambda x: jnp.sin(x) * jnp.cos(x) + jnp.sqrt(jnp.abs(x)) - jnp.floor(x) / jnp.ceil(x + 9.0),
    "logarithms": lambda x: jnp.log1p(x**2) + jnp.expm1(x) + jnp.logaddexp(x, 0.5),
    "activations": lambda x: jax.nn.gelu(x, approximate=False) + jax.nn.silu(x) + jax.nn.softplus(x) + jax.nn.elu(x),
    "powers": lambda x: x**3 + jnp.abs(x) ** 1.5 + jnp.sign(x) * jnp.fmod(x, 0.7) + jnp.round(x * 3),
    "comparisons": lambda x: jnp.where((x > 0) & (x < 1) | ~(x != x[0, 0]), jnp.maximum(x, 0.2), jnp.clip(x, -1, 0)),
    "finite": lambda x: jnp.where(jnp.isfinite(x / jnp.maximum(x, 0.0)), 1.0, 0.0),
    "reductions": lambda x: x.max(0) + x.min(1).sum() + x.prod() + jnp.float32((x > -9).all()) + (x > 2).any(),
    "positions": lambda x: x.argmax(0) + x.argmin(0) + x.reshape(1, 12).argmax(0)[:3],
    "running sum": lambda x: jnp.cumsum(x, 0) + jnp.cumsum(x[:, :1], 1),
    "softmax over rows": lambda x: jax.nn.softmax(x, axis=0) @ W,
    "attention": lambda x: jnp.einsum("qhd,khd->hqk", x.reshape(4, 3, 1), x.reshape(4, 3, 1)),
    "products in a batch": lambda x: jnp.einsum("bij,bjk->bik", x.reshape(2, 2, 3), jnp.stack([W, W.T])),
    "a matrix and a vector": lambda x: W @ x[1] + x[2] @ W + x[0] @ x[1],
    "an outer product": lambda x: jnp.outer(x[0], x[:, 1]),
    "transposes": lambda x: x.reshape(2, 2, 3).transpose(2, 0, 1) + x.T.reshape(3, 2, 2),
    "cuts and joins": lambda x: jnp.concatenate([x[::2, :1], x[1:3, 2:], jnp.stack([x[0], x[3]])], axis=1),
    "rows by number": lambda x: jnp.concatenate([x[-1], jax.lax.dynamic_slice(x, (1, 1), (2, 2)).ravel()]),
    "borders": lambda x: jnp.pad(x, ((1, 0), (0, 2)), constant_values=3.0),
    "a column beside itself": lambda x: x[:, :1] * jnp.ones((4, 5)) + jnp.broadcast_to(x[0, 0], (4, 1)),
    "a loop forwards": lambda x: jax.lax.scan(lambda c, row: (jnp.tanh(c + row), c * 2.0), x[0], x[1:]),
    "a loop backwards": lambda x: jax.lax.scan(lambda c, row: (jnp.tanh(c + row), c * 2.0), x[0], x[1:], reverse=True),
    "a branch that is known": lambda x: jax.lax.cond(True, lambda y: y + 1.0, lambda y: y * 2.0, x),
    "neutral numbers": lambda x: (
        (x + 0.0) * 1.0 - 0.0 + 1.0 + jnp.maximum(x, -jnp.inf) / 1.0 - (0.0 - x) + 1.0 / (x + 9.0)
    ),
    "whole numbers": lambda x: (x > 0).astype(jnp.int32) * 3 + jnp.arange(3),
}


def translated(function):
    """The trace, and the graph made of it: its input and its outputs."""
    closed = jax.make_jaxpr(function)(X)
    graph = Graph()
    given = graph.input("x", X.shape, X.dtype)
    return closed, given, lower(graph, closed, [given])


@pytest.fixture(scope="module", autouse=True)
def _as_others_write():
    """Networks of others let ranks broadcast."""
    with jax.numpy_rank_promotion("allow"):
        yield


@pytest.fixture(scope="module")
def wanted(_as_others_write):
    """What JAX gives, all compiled at once."""
    found = jax.jit(lambda x: {name: jax.tree.leaves(function(x)) for name, function in FUNCTIONS.items()})(X)
    return jax.tree.map(np.asarray, found)


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_the_same_in_numpy_and_in_onnx(name, wanted):
    _, given, outputs = translated(FUNCTIONS[name])
    for ours, other in zip(in_numpy(given, outputs, X), wanted[name], strict=True):
        assert ours.dtype == other.dtype
        np.testing.assert_allclose(ours, other, rtol=1e-5, atol=1e-5)
    if importlib.util.find_spec("onnx") and importlib.util.find_spec("onnxruntime"):
        batch = np.stack([X, X[::-1] + 0.25, X])
        for ours, *others in zip(
            in_onnx(name, outputs, batch), *(in_numpy(given, outputs, x) for x in batch), strict=True
        ):
            assert [ours.dtype] * 3 == [other.dtype for other in others]
            np.testing.assert_allclose(ours, np.stack(others), rtol=1e-5, atol=1e-5)


def in_numpy(given, outputs, x):
    """What the graph gives for one array."""
    values = {id(given): x}
    for node in needed(outputs):
        if id(node) not in values:
            inputs = [values[id(one)] for one in node.inputs]
            values[id(node)] = node.value if node.is_constant else evaluate(node, inputs)
    return [values[id(node)] for node in outputs]


def in_onnx(name, outputs, batch):
    """What the model gives for several arrays at once."""
    import onnxruntime

    ports = [Port(f"out{k}", node.shape, node.dtype.name, "") for k, node in enumerate(outputs)]
    model = as_onnx.model(name, [Port("x", X.shape, "float32", "")], ports, outputs)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": batch})


REFUSED = {
    "sort": lambda x: jnp.sort(x),
    "gather": lambda x: x[x[0].argmax()],
    "while": lambda x: jax.lax.while_loop(lambda y: y.sum() < 100, lambda y: y + 1, x),
    "cond with a computed condition": lambda x: jax.lax.cond(x[0, 0] > 0, lambda y: y + 1.0, lambda y: y * 2.0, x),
    "scan over 65 steps": lambda x: jax.lax.scan(lambda c, _: (c + 1, None), x, None, length=65)[0],
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_rule_is_named(name):
    with pytest.raises(Untranslatable) as refusal:
        translated(REFUSED[name])
    assert name in str(refusal.value) or (name == "gather" and "dynamic_slice" in str(refusal.value))


def test_what_depends_on_weights_alone_is_computed_beforehand_and_nothing_twice():
    *_, (out,) = translated(lambda x: x @ (W * 2.0 + W.T) + jnp.tanh(x).sum() + jnp.tanh(x).sum())
    operations = [node.operation for node in needed([out])]
    assert operations.count("constant") == 1 and operations.count("tanh") == operations.count("reduce_sum") == 1
