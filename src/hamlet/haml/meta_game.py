"""Schemes with a meta-game: predict updates, solve a game for its equilibrium, and respond to the equilibrium.

    π̂ⁱ   = the policy of agent i after an update by itself (the prediction);
    G    = the game between keeping πⁱ and taking π̂ⁱ, estimated from the same batch (`hamlet.games.meta`);
    ρ    = an equilibrium of G: agent i keeps πⁱ with probability ρᵢ;
    π̄ⁱ   = ρᵢ πⁱ + (1 − ρᵢ) π̂ⁱ, a mixture of probabilities in each state;
    πⁱ ← argmax E_π[ r wⁱÂⁱ − 𝔇(r, wⁱÂⁱ) ]  from πⁱ,  wⁱ = ∏_{j≠i} clip(π̄ʲ/πʲ, 1 ± c), the best response to the mixture.

Here πⁱ is the current policy of agent i, r the ratio of its new and current policy, Âⁱ its advantage, 𝔇 the drift, and
c the clipping range of the weights wⁱ. The drift of PPO's clipping depends on the weighted advantage. A KL penalty
does not depend on the advantage, so it is not weighted.

Reference: Wen et al., 2021, arXiv:2106.06828 (MATRL), algorithm 2. The paper prints the ratio π/π̄. The expectation is
under π̄ and the batch comes from π, so the ratio is π̄/π here. The released code weights by the predicted policies
instead of the mixture, and by one mean weight instead of one weight for every step.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hamlet.errors import require
from hamlet.games import binary, meta
from hamlet.haml.scheme import RolloutVisit, UnitStep, Visit
from hamlet.haml.template import Team
from hamlet.types import Info, Key


class Solver(Protocol):
    """Solves a meta-game for the probability that each agent keeps its policy."""

    def __call__(self, payoffs: Float[Array, " n *profiles"], key: Key) -> Float[Array, " n"]:
        """Return ρ in [0, 1] for each agent, from the payoffs ``[n, 2, …, 2]`` of a meta-game."""
        ...


@dataclass(frozen=True)
class Nash:
    """A Nash equilibrium of the meta-game (`hamlet.games.binary`).

    Attributes:
        choose: Selection among several equilibria: "random" with equal probabilities (as published), or "best", the
            equilibrium with the greatest sum of payoffs.
    """

    choose: Literal["random", "best"] = "random"

    def __call__(self, payoffs: Float[Array, " n *profiles"], key: Key) -> Float[Array, " n"]:
        """Return the probabilities of the selected equilibrium."""
        return binary.equilibrium(payoffs, key if self.choose == "random" else None).first


@dataclass(frozen=True)
class Forced:
    """A constant probability that does not depend on the game.

    1 keeps the policies of all agents (independent learners); 0 takes all predicted policies.

    Attributes:
        keep: ρ, in [0, 1].
    """

    keep: float

    def __post_init__(self) -> None:
        """Check the probability."""
        require(0 <= self.keep <= 1, f"keep is a probability ρ in [0, 1], not {self.keep}")

    def __call__(self, payoffs: Float[Array, " n *profiles"], key: Key) -> Float[Array, " n"]:
        """Return ρ for every agent."""
        return jnp.full(payoffs.shape[0], self.keep, payoffs.dtype)


class Foreseen(NamedTuple):
    """The result of a meta-game.

    The fields are the predicted team, its probability ratios, ρ, and the metrics of the prediction and of the game.
    """

    team: Any
    ratio: Float[Array, " n *B"]
    keep: Float[Array, " n"]
    infos: Info
    measures: Info


@dataclass(frozen=True, kw_only=True)
class MetaGame:
    """The scheme of best responses to the meta-game's equilibrium mixture of current and predicted policies.

    Attributes:
        prediction: The update that is predicted. It starts from the optimiser state of the declared update, as an
            independent learner's next update would, and is discarded afterwards.
        solver: The solver of the meta-game.
        clip: c > 0: every policy ratio is clipped to 1 ± c before the ratios of several agents are multiplied.
    """

    prediction: UnitStep
    solver: Solver = Nash()
    clip: float = 0.1

    def __post_init__(self) -> None:
        """Check the clipping range."""
        require(self.clip > 0, f"--meta-clip must be above 0, not {self.clip}; the paper uses 0.1")

    def sweep(self, visit: Visit, team: Any, carry: Any, units: int, key: Key) -> tuple[Any, Info]:
        """Predict, solve, and let every unit respond.

        All units respond to the policies at the start of the iteration, as in `Simultaneous`, with the weights wⁱ.
        """
        trial_key, visit_key = jax.random.split(key)
        foreseen = self.foresee(visit, team, carry, units, trial_key)
        mixed = jnp.clip(meta.mixture(foreseen.ratio, foreseen.keep), 1.0 - self.clip, 1.0 + self.clip)
        weights = meta.of_the_others(mixed)

        def respond(team: Any, unit: Array) -> tuple[Any, Info]:
            team, _, info = visit(unit, team, carry * weights[unit], jax.random.fold_in(visit_key, unit))
            return team, info

        team, infos = jax.lax.scan(respond, team, jnp.arange(units))
        return team, infos | foreseen.measures

    def foresee(self, visit: Visit, team: Any, carry: Any, units: int, key: Key) -> Foreseen:
        """Return the predicted policies, and the equilibrium probability that each agent keeps its own policy."""
        require(
            isinstance(visit, RolloutVisit),
            f"{type(self).__name__} estimates its meta-game from a rollout, and here there is no rollout: use another "
            "scheme, such as Simultaneous",
        )
        assert isinstance(visit, RolloutVisit)
        predict_key, solve_key = jax.random.split(key)
        trial = visit.by(self.prediction)

        def predict(ahead: Any, unit: Array) -> tuple[Any, tuple[Array, Info]]:
            ahead, ratio, info = trial(unit, ahead, carry, jax.random.fold_in(predict_key, unit))
            return ahead, (ratio, info)

        ahead, (ratio, infos) = jax.lax.scan(predict, team, jnp.arange(units))
        game = meta.payoffs(jnp.clip(ratio, 1.0 - self.clip, 1.0 + self.clip), visit.credits())
        keep = self.solver(game, solve_key)
        measures = {"keep": keep, "meta_regret": jnp.full(units, binary.regret(game, keep))}
        return Foreseen(ahead, ratio, keep, infos, measures)

    def check(self, units: int, neighbourhood: Any) -> None:
        """Check the number of agents, and that prediction and response use the same kind of neighbourhood.

        Raises:
            RequestError: If the meta-game has fewer than two agents or too many, or the neighbourhoods differ.
        """
        predicts, responds = type(self.prediction.neighbourhood).__name__, type(neighbourhood).__name__
        require(
            predicts == responds,
            "a prediction starts from the optimiser state of the response, so both need one kind of neighbourhood, not "
            f"{predicts} and {responds}: declare the same kind for both",
        )
        require(units >= 2, "a meta-game needs at least two agents: use ippo for a single agent")
        most = binary.PLAYERS
        require(
            units <= most,
            f"the meta-game of {units} agents has {units} × 2^{units} = {units * 2**units:,} payoffs; it is solved for "
            f"at most {most} agents: use il, or --sharing group, where agents with equal spaces are one player",
        )


@dataclass(frozen=True)
class MetaStep:
    """The scheme in which every agent moves to the meta-game's equilibrium mixture itself, without a response.

    In general no network represents a mixture of two networks' probabilities. Therefore parameters are mixed,
    θ ← ρ θ + (1 − ρ) θ̂, as in the released code: θ are the current parameters, θ̂ the predicted ones, and ρ is the
    probability of keeping the policy. (Tables of probabilities are mixed exactly: `hamlet.games.gradient`.)

    Attributes:
        game: The meta-game with its prediction and its solver.
    """

    game: MetaGame

    def sweep(self, visit: Visit, team: Team, carry: Any, units: int, key: Key) -> tuple[Team, Info]:
        """Predict, solve, and mix the parameters."""
        trial_key, _ = jax.random.split(key)
        foreseen = self.game.foresee(visit, team, carry, units, trial_key)
        actors, first = [], 0
        for now, then in zip(team.actors, foreseen.team.actors, strict=True):
            last = first + len(jax.tree.leaves(now)[0])
            actors.append(_between(now, then, foreseen.keep[first:last]))
            first = last
        return Team(tuple(actors), foreseen.team.states), foreseen.infos | foreseen.measures

    def check(self, units: int, neighbourhood: Any) -> None:
        """Check the game, see `MetaGame.check`."""
        self.game.check(units, neighbourhood)


def _between(now: Any, then: Any, keep: Float[Array, " U"]) -> Any:
    """Return ρ θ + (1 − ρ) θ̂ for a stack of units; exact at ρ = 0, at ρ = 1 and where θ = θ̂."""

    def mixed(now: Array, then: Array) -> Array:
        share = keep.reshape(-1, *(1,) * (now.ndim - 1))
        return jnp.where(share == 1.0, now, then + share * (now - then)).astype(now.dtype)

    return jax.tree.map(mixed, now, then)
