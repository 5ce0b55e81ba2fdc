"""The meta-game as a scheme: predict, solve for an equilibrium, respond to it.

    π̂ⁱ   = the step that agent i would take alone, the others as they are (the prediction);
    G    = the game between keeping πⁱ and taking π̂ⁱ, from the same batch (`hamlet.games.meta`);
    ρ    = an equilibrium of G: agent i keeps πⁱ with probability ρᵢ;
    π̄ⁱ   = ρᵢ πⁱ + (1 − ρᵢ) π̂ⁱ, a mixture of probabilities, state by state;
    πⁱ ← argmax E_π[ r wⁱÂⁱ − 𝔇(r, wⁱÂⁱ) ]  from πⁱ,  wⁱ = ∏_{j≠i} clip(π̄ʲ/πʲ, 1 ± c), the best response to the mixture.

The weight is a part of the advantage, on which clipping's drift depends; a KL penalty does not, and is not weighed.

Reference: Wen et al., 2021, arXiv:2106.06828 (MATRL), algorithm 2, which prints the ratio π/π̄; the
expectation is under π̄ and the batch from π, so it is π̄/π here. The released code weighs by the predicted policies
instead of the mixture, and by one mean weight instead of one for every step.
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
    """Decides how probable it is that each agent keeps its policy."""

    def __call__(self, payoffs: Float[Array, " n *profiles"], key: Key) -> Float[Array, " n"]:
        """ρ in [0, 1], by agent, of a meta-game ``[n, 2, …, 2]``."""
        ...


@dataclass(frozen=True)
class Nash:
    """An equilibrium of the meta-game (`hamlet.games.binary`).

    Attributes:
        choose: Which, where there are several: "random", each as likely (as published), or "best", that of the
            greatest sum of payoffs.
    """

    choose: Literal["random", "best"] = "random"

    def __call__(self, payoffs: Float[Array, " n *profiles"], key: Key) -> Float[Array, " n"]:
        """Its probabilities."""
        return binary.equilibrium(payoffs, key if self.choose == "random" else None).first


@dataclass(frozen=True)
class Forced:
    """The same whatever the game: 1 keeps everybody's policy (independent learners), 0 takes the predicted ones.

    Attributes:
        keep: ρ, in [0, 1].
    """

    keep: float

    def __post_init__(self) -> None:
        """Refuse what is no probability."""
        require(0 <= self.keep <= 1, f"ρ is a probability, not {self.keep}")

    def __call__(self, payoffs: Float[Array, " n *profiles"], key: Key) -> Float[Array, " n"]:
        """ρ, for everyone."""
        return jnp.full(payoffs.shape[0], self.keep, payoffs.dtype)


class Foreseen(NamedTuple):
    """What a meta-game leads to: the predicted team, its ratios, ρ, and what is recorded of the trial and the game."""

    team: Any
    ratio: Float[Array, " n *B"]
    keep: Float[Array, " n"]
    infos: Info
    measures: Info


@dataclass(frozen=True, kw_only=True)
class MetaGame:
    """Best responses to the mixture that is an equilibrium between staying and stepping.

    Attributes:
        prediction: The step that is predicted. It begins from what the neighbourhood of the declared step remembers, so
            that it is what an independent learner would do next, and is forgotten afterwards.
        solver: How the meta-game is solved.
        clip: c > 0: every ratio between policies is held in 1 ± c where they are multiplied.
    """

    prediction: UnitStep
    solver: Solver = Nash()
    clip: float = 0.1

    def __post_init__(self) -> None:
        """Refuse a band of no width."""
        require(self.clip > 0, f"--meta-clip must be above 0, not {self.clip}; the paper uses 0.1")

    def sweep(self, visit: Visit, team: Any, carry: Any, units: int, key: Key) -> tuple[Any, Info]:
        """Predict, solve, respond: all to the policies of the start, as `Simultaneous` does, but for the weights."""
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
        """The predicted policies, and how probable it is in equilibrium that each agent stays with its own."""
        require(
            isinstance(visit, RolloutVisit),
            "a meta-game is made of a rollout's samples, of which there are none here: take another scheme than "
            f"{type(self).__name__}",
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
        """Refuse a number of agents whose meta-game is none, or too large, and predictions that cannot be begun.

        Raises:
            RequestError: With the size; or the two neighbourhoods.
        """
        predicts, responds = type(self.prediction.neighbourhood).__name__, type(neighbourhood).__name__
        require(
            predicts == responds,
            f"a prediction begins from what the declared step remembers, so that both are of one kind, not {predicts} "
            f"and {responds}: give both the same",
        )
        require(units >= 2, "a meta-game is one of two agents or more: use ippo for a single one")
        most = binary.PLAYERS
        require(
            units <= most,
            f"the meta-game of {units} agents has {units} × 2^{units} = {units * 2**units:,} payoffs; it is solved for "
            f"at most {most} agents: use il, or --sharing group, under which agents of equal spaces are one player",
        )


@dataclass(frozen=True)
class MetaStep:
    """The meta-game without the response: everyone goes to the mixture itself.

    A mixture of two networks' probabilities is no network's, so that parameters are mixed in its place,
    θ ← ρ θ + (1 − ρ) θ̂, as in the released code. (Tables of probabilities mix exactly: `hamlet.games.gradient`.)

    Attributes:
        game: What is predicted, and how it is solved.
    """

    game: MetaGame

    def sweep(self, visit: Visit, team: Team, carry: Any, units: int, key: Key) -> tuple[Team, Info]:
        """Predict, solve, mix."""
        trial_key, _ = jax.random.split(key)
        foreseen = self.game.foresee(visit, team, carry, units, trial_key)
        actors, first = [], 0
        for now, then in zip(team.actors, foreseen.team.actors, strict=True):
            last = first + len(jax.tree.leaves(now)[0])
            actors.append(_between(now, then, foreseen.keep[first:last]))
            first = last
        return Team(tuple(actors), foreseen.team.states), foreseen.infos | foreseen.measures

    def check(self, units: int, neighbourhood: Any) -> None:
        """As of the game."""
        self.game.check(units, neighbourhood)


def _between(now: Any, then: Any, keep: Float[Array, " U"]) -> Any:
    """ρ θ + (1 − ρ) θ̂ for a stack of units; exactly the one or the other at the ends, and where both are equal."""

    def mixed(now: Array, then: Array) -> Array:
        share = keep.reshape(-1, *(1,) * (now.ndim - 1))
        return jnp.where(share == 1.0, now, then + share * (now - then)).astype(now.dtype)

    return jax.tree.map(mixed, now, then)
