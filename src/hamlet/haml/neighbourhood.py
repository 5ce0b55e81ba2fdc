"""Neighbourhood operators 𝒰: the set of allowed new policies, and the optimisation within this set."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float

from hamlet.errors import require
from hamlet.estimation.accumulation import slope, summed
from hamlet.estimation.fitting import RULES, Decay, Rule, begin, descend, passes, shrunk
from hamlet.haml.linalg import Vector, backtrack, conjugate_gradient
from hamlet.haml.objective import Objective
from hamlet.haml.rates import Rates, check_rates, greatest, shares
from hamlet.networks.heads import AnyActor
from hamlet.roster import Roster
from hamlet.types import Info, Key, Scalar


class Neighbourhood(Protocol):
    """Improves the actor of one unit within its neighbourhood (a unit: one set of policy parameters)."""

    def init(self, actor: Any) -> Any:
        """Return the initial state of one unit, which is kept between updates."""
        ...

    def improve(
        self, objective: Any, actor: Any, state: Any, key: Key, remaining: Scalar | float = 1.0
    ) -> tuple[Any, Any, Info]:
        """Return the improved actor, the new state, and scalars to record.

        Args:
            objective: The objective to maximise.
            actor: The policy before the update.
            state: The state of this unit.
            key: The random key.
            remaining: The remaining fraction of the run, from 1 to 0, for learning rates that decay.
        """
        ...

    def contains(self, old: Any, new: Any, weight: Float[Array, " S"]) -> Bool[Array, ""]:
        """Check whether a policy is in the neighbourhood of another policy; used for exact games and in tests.

        Args:
            old: The distributions of the old policy π in every state.
            new: The distributions of the new policy π̄ in every state.
            weight: The weight β of each state; the weights sum to 1.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Unconstrained:
    """The whole policy space, with several epochs of first-order gradient ascent.

    Attributes:
        learning_rate: Learning rate: a number, or rates of agents by name (`hamlet.haml.rates`).
        epochs: Epochs over the batch.
        minibatches: Minibatches per epoch; sampled again in each epoch.
        entropy: Coefficient of the mean entropy in the objective, per nat.
        max_gradient_norm: Maximum norm of the gradient (gradient clipping); 0 for no clipping.
        decay: Decay of the learning rate over the run: "none", or "linear" to 0.
        epsilon: ε of Adam or RMSprop.
        rule: Optimiser: "adam" or "rmsprop".
    """

    learning_rate: Rates = 5e-4
    epochs: int = 5
    minibatches: int = 1
    entropy: float = 0.01
    max_gradient_norm: float = 10.0
    decay: Decay = "none"
    epsilon: float = 1e-5
    rule: Rule = "adam"

    def __post_init__(self) -> None:
        """Check the settings."""
        require(self.rule in RULES, f"the optimiser is {' or '.join(RULES)}, not {self.rule!r}")
        check_rates(self.learning_rate, "--learning-rate")
        require(self.epochs >= 1, f"--epochs must be at least 1, not {self.epochs}")
        require(self.minibatches >= 1, f"--minibatches must be at least 1, not {self.minibatches}")

    def init(self, actor: Any) -> optax.OptState:
        """Return the initial state of the optimiser."""
        return begin(self._optimiser, actor)

    def shares(self, roster: Roster) -> np.ndarray | None:
        """Return every unit's learning rate divided by the greatest rate; None if all units have the same rate."""
        return shares(self.learning_rate, roster)

    def improve(
        self,
        objective: Any,
        actor: Any,
        state: optax.OptState,
        key: Key,
        remaining: Scalar | float = 1.0,
        share: Scalar | None = None,
    ) -> tuple[Any, optax.OptState, Info]:
        """Make ``epochs × minibatches`` ascent steps; the metrics are those of the last epoch.

        ``share`` multiplies every step.
        """
        factor = shrunk(self.decay, remaining)
        factor = factor if share is None else share if factor is None else factor * share

        def step(at: tuple[Any, optax.OptState], part: Any) -> tuple[tuple[Any, optax.OptState], Info]:
            actor, state = at

            def loss(actor: Any, part: Any) -> tuple[Array, Info]:
                terms = part(actor)
                info = {"surrogate": terms.gain, "entropy": terms.entropy, **terms.measures}
                return -(terms.gain + self.entropy * terms.entropy), info

            (_, info), gradient = slope(loss, actor, part)
            info["gradient_norm"] = optax.tree.norm(gradient)
            return descend(self._optimiser, gradient, state, actor, factor), info

        pair, infos = passes(step, (actor, state), objective, epochs=self.epochs, minibatches=self.minibatches, key=key)
        return *pair, infos

    def contains(self, old: Any, new: Any, weight: Float[Array, " S"]) -> Bool[Array, ""]:
        """Return True: every policy is in the neighbourhood."""
        return jnp.ones((), bool)

    @property
    def _optimiser(self) -> optax.GradientTransformation:
        return RULES[self.rule](greatest(self.learning_rate), self.max_gradient_norm, self.epsilon)


@dataclass(frozen=True, kw_only=True)
class KlBall:
    """The trust region E[KL(π‖π̄)] ≤ δ, with a natural-gradient step and a backtracking line search.

        s = F⁻¹ g by conjugate gradient,   θ̄ = θ + βʲ √(2δ / sᵀF s) s

    Here π is the old policy with parameters θ, π̄ the new policy with parameters θ̄, g the gradient of the objective
    and F the Fisher information. The line search takes the smallest j for which the exact mean divergence is at most δ
    and the improvement is at least ``accept`` times its linear prediction. If no j satisfies both, the old policy stays
    and the update is recorded as rejected. The new policy is therefore always in the trust region.

    Reference: Schulman et al., 2015, arXiv:1502.05477; Kuba et al., 2022, arXiv:2109.11251, algorithm 2.
    In the reference code, the divergence of discrete policies is not the Kullback–Leibler divergence (it is 5 to 18
    times too large). Here the divergence is exact for every distribution.

    Attributes:
        radius: Maximum mean divergence δ, in nats.
        iterations: Iterations of the conjugate gradient method.
        damping: Value added to F's diagonal.
        tries: Maximum number of steps of the line search.
        shrink: Factor β by which the line search shortens the step each time.
        accept: Minimum ratio of the actual to the predicted improvement.
        fisher_samples: Number of sequences, sampled in every update, that estimate F; 0 for the whole batch.
    """

    radius: float = 0.005
    iterations: int = 10
    damping: float = 0.1
    tries: int = 10
    shrink: float = 0.8
    accept: float = 0.5
    fisher_samples: int = 0

    def __post_init__(self) -> None:
        """Check the settings."""
        require(self.radius > 0, f"--radius must be above 0, not {self.radius}; the papers use 0.005")
        require(self.iterations >= 1, f"--iterations must be at least 1, not {self.iterations}")
        require(self.tries >= 1, f"--tries must be at least 1, not {self.tries}")
        require(0 < self.shrink < 1, f"--shrink must lie between 0 and 1, not at {self.shrink}")
        require(0 <= self.accept <= 1, f"--accept must lie in [0, 1], not at {self.accept}")
        require(self.damping >= 0, f"--damping must not be negative: {self.damping}")

    def init(self, actor: AnyActor) -> tuple[()]:
        """Return the empty state: nothing is kept between updates."""
        return ()

    def improve(
        self, objective: Objective, actor: AnyActor, state: tuple[()], key: Key, remaining: Scalar | float = 1.0
    ) -> tuple[AnyActor, tuple[()], Info]:
        """Make one natural-gradient step, or none. The trust region alone limits its length, without learning rate."""
        flat, unravel = ravel_pytree(actor)
        (before, _), gradient = slope(lambda vector, part: (part(unravel(vector)).gain, ()), flat, objective)
        sample = self._fisher_sample(objective, key)
        fisher = fisher_product(sample, unravel, flat, self.damping)
        direction, residual = conjugate_gradient(fisher, gradient, iterations=self.iterations)
        # sᵀF s = sᵀ(g − residual), which saves one product with F.
        curvature = direction @ (gradient - residual)
        rise = gradient @ direction
        possible = (curvature > 0) & (rise > 0) & jnp.isfinite(curvature)
        direction = jnp.where(possible, direction, 0.0)
        full = jnp.where(possible, jnp.sqrt(2 * self.radius / jnp.where(possible, curvature, 1.0)), 0.0)

        def acceptable(length: Array) -> Array:
            candidate = unravel(flat + length * direction)
            terms, divergence = objective(candidate), objective.kl(candidate)
            gained = terms.gain - before
            return possible & (divergence <= self.radius) & (gained > 0) & (gained >= self.accept * length * rise)

        length, tries = backtrack(acceptable, first=full, shrink=self.shrink, tries=self.tries)
        new_actor = unravel(flat + length * direction)
        terms = objective(new_actor)
        info = {
            "surrogate": terms.gain,
            "entropy": terms.entropy,
            "kl": objective.kl(new_actor),
            "clip_fraction": terms.measures["clip_fraction"],
            "line_search_failed": (length == 0).astype(jnp.float32),
            "line_search_steps": tries.astype(jnp.float32),
            "gradient_norm": jnp.sqrt(gradient @ gradient),
        }
        return new_actor, state, info

    def contains(self, old: Any, new: Any, weight: Float[Array, " S"]) -> Bool[Array, ""]:
        """Check whether Σ_s β(s) KL(π(·|s)‖π̄(·|s)) ≤ δ."""
        return (weight * old.kl(new)).sum() <= self.radius

    def _fisher_sample(self, objective: Objective, key: Key) -> Objective:
        if not 0 < self.fisher_samples < objective.size:
            return objective
        return objective.take(jax.random.choice(key, objective.size, (self.fisher_samples,), replace=False))


def fisher_product(objective: Objective, unravel: Any, at: Vector, damping: float) -> Any:
    """Return the map v ↦ (F + damping) v, with F = E[ Jᵀ F_π J ] the mean Fisher information at the old policy π.

    J is the derivative of the distributions' parameters by the parameters of the network. It is computed once. F_π is
    the Fisher information of a distribution, known in closed form. At the old policy, F is the Hessian of the exact
    mean divergence. If the batch is processed in parts, the derivatives are computed again for every product and part.
    """
    in_parts = 0 < objective.at_once < objective.size
    fisher = None if in_parts else _fisher(objective, unravel, at)

    def product(vector: Vector) -> Vector:
        if fisher is None:
            return summed(lambda part: _fisher(part, unravel, at)(vector), objective) + damping * vector
        return fisher(vector) + damping * vector

    return product


def _fisher(objective: Objective, unravel: Any, at: Vector) -> Callable[[Vector], Vector]:
    """Return the map v ↦ F v."""
    alive = objective.experience.alive
    count = objective.corrected.size if alive is None else jnp.maximum(alive.sum(), 1)
    living = None if alive is None else alive[..., None].astype(at.dtype)
    share = None if objective.weight is None else objective.weight[..., None]
    policy, forward = jax.linearize(lambda flat: objective.experience.policy(unravel(flat)), at)
    backward = cast(Any, jax.linear_transpose(forward, at))

    def product(vector: Vector) -> Vector:
        tangent = policy.fisher(forward(vector))
        if living is not None:
            tangent = jax.tree.map(lambda leaf: living * leaf, tangent)
        if share is None:
            return backward(tangent)[0] / count
        return backward(jax.tree.map(lambda leaf: share * leaf, tangent))[0]

    return product
