"""First-order optimisation: Adam, RMSprop, and epochs over minibatches; shared by actors and critics."""

import math
from collections.abc import Callable
from typing import Any, Literal, TypeAlias, TypeVar, cast

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from hamlet.errors import RequestError
from hamlet.networks.running import RunningMeanStd
from hamlet.roster import Roster
from hamlet.types import Info, Key, Scalar

Parameters = TypeVar("Parameters")
# The optimiser.
Rule: TypeAlias = Literal["adam", "rmsprop"]
# How the learning rate decreases over a run: not at all, or linearly to 0.
Decay: TypeAlias = Literal["none", "linear"]


def adam(learning_rate: float, max_gradient_norm: float, epsilon: float = 1e-5) -> optax.GradientTransformation:
    """Return Adam with ε = 10⁻⁵ (the papers' "optim eps") after clipping the gradient's norm; 0 for no clipping."""
    clip = optax.clip_by_global_norm(max_gradient_norm) if max_gradient_norm else optax.identity()
    return optax.chain(clip, optax.adam(learning_rate, eps=epsilon))


def rmsprop(learning_rate: float, max_gradient_norm: float, epsilon: float = 1e-5) -> optax.GradientTransformation:
    """Return RMSprop with α = 0.99 after clipping the gradient's norm; 0 for no clipping.

    ε is added outside the square root, as in PyTorch.
    """
    clip = optax.clip_by_global_norm(max_gradient_norm) if max_gradient_norm else optax.identity()
    return optax.chain(clip, optax.rmsprop(learning_rate, decay=0.99, eps=epsilon, eps_in_sqrt=False))


RULES: dict[Rule, Callable[[float, float, float], optax.GradientTransformation]] = {"adam": adam, "rmsprop": rmsprop}


def begin(optimiser: optax.GradientTransformation, parameters: Any) -> optax.OptState:
    """Return the optimiser's state before its first step."""
    return optimiser.init(parameters)


def value_scale() -> RunningMeanStd:
    """Return the running mean and standard deviation of returns, which scale a critic's values.

    The standard deviation is at least 0.1. A state-value critic adds every minibatch before its loss, so the same
    returns once per epoch, as in the value normaliser of Yu et al., 2022, arXiv:2103.01955. Before any returns, the
    standard deviation is 1 here and 0.1 in their code.
    """
    return RunningMeanStd.create(1, decay=0.99999, floor=1e-2)


def shrunk(decay: Decay, remaining: Scalar | float) -> Scalar | None:
    """Return the factor of the step size when a share ``remaining`` of the run is left; None without decay."""
    return None if decay == "none" else jnp.asarray(remaining, jnp.float32)


def descend(
    optimiser: optax.GradientTransformation,
    gradient: Parameters,
    state: optax.OptState,
    parameters: Parameters,
    factor: Scalar | None = None,
) -> tuple[Parameters, optax.OptState]:
    """Take one optimiser step along the negative gradient, times ``factor``."""
    # The casts are necessary because optax declares types for arrays and containers only; it accepts modules as trees.
    updates, state = optimiser.update(cast(Any, gradient), state, cast(Any, parameters))
    if factor is not None:
        updates = jax.tree.map(lambda leaf: factor * leaf, updates)
    return cast(Any, optax.apply_updates(cast(Any, parameters), updates)), state


def distance(
    value: Float[Array, "*B"], before: Float[Array, "*B"], target: Float[Array, "*B"], *, clip: float, huber: float
) -> Float[Array, "*B"]:
    """Return the loss of values: the larger of the plain and the clipped Huber loss.

        ℓ = max( h(R̂ − v), h(R̂ − v_old − clip(v − v_old, ±c)) )

    v are the values, v_old the values before the update (``before``), R̂ the targets, c is ``clip`` and h the Huber
    loss. With ``clip`` 0, only the plain loss is used; with ``huber`` 0, h is ½ x².

    Reference: Schulman et al., 2017, arXiv:1707.06347 (code); Yu et al., 2022, arXiv:2103.01955.
    """

    def of(x: Array) -> Array:
        return optax.losses.huber_loss(x, delta=huber) if huber else 0.5 * x**2

    loss = of(target - value)
    return jnp.maximum(loss, of(target - (before + jnp.clip(value - before, -clip, clip)))) if clip else loss


def passes(step: Any, at: Any, data: Any, *, epochs: int, minibatches: int, key: Key) -> tuple[Any, Info]:
    """Run ``step(at, part) -> at, info`` over shuffled minibatches of ``data`` for ``epochs`` epochs.

    ``data`` has ``size`` and ``take``. The infos are averaged over the last epoch. With one minibatch, the whole batch
    is used without shuffling and copying.
    """

    def one_pass(at: Any, key: Key) -> tuple[Any, Info]:
        if minibatches == 1:
            return step(at, data)
        parts = jax.random.permutation(key, data.size).reshape(minibatches, -1)
        at, infos = jax.lax.scan(lambda at, part: step(at, data.take(part)), at, parts)
        return at, jax.tree.map(lambda leaf: leaf.mean(0), infos)

    at, infos = jax.lax.scan(one_pass, at, jax.random.split(key, epochs))
    return at, jax.tree.map(lambda leaf: leaf[-1], infos)


def check_divides(flag: str, parts: int, sequences: int, roster: Roster) -> None:
    """Refuse a number of minibatches that does not divide every unit's batch.

    Raises:
        RequestError: It does not divide a batch. The message names the nearest number that divides all batches.
    """
    counts = [sequences * roster.agents_per_unit(group) for group in range(len(roster.groups))]
    for count in counts:
        if count % parts:
            # The greatest common divisor of all groups' batch sizes.
            shared = math.gcd(*counts)
            near = min((d for d in range(1, shared + 1) if shared % d == 0), key=lambda d: abs(d - parts))
            raise RequestError(f"{flag} {parts} does not divide a batch of {count} sequences; the nearest is {near}")
