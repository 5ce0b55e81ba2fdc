"""An algorithm with switches: what it would do without learning, without its order, without what it knows of others.

The switches are arrays in the state of a run, so that one compiled program is the algorithm and all its negative
controls.
"""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from hamlet import replace
from hamlet.haml.meta_game import MetaGame, MetaStep
from hamlet.haml.neighbourhood import Neighbourhood
from hamlet.haml.scheme import Scheme, Sequential


class Switches(eqx.Module):
    """What is left as declared; with all on it is the algorithm itself.

    Attributes:
        moves: Whether a better policy is taken. Off is learning rate 0.
        shuffles: Whether a random order is random. Off goes by the roster.
        informed: Whether M multiplies the advantage. Off leaves M = 1.
    """

    moves: Bool[Array, "*units"]
    shuffles: Bool[Array, "*units"]
    informed: Bool[Array, "*units"]

    @classmethod
    def create(cls, *, moves=True, shuffles=True, informed=True):
        return cls(jnp.array(moves), jnp.array(shuffles), jnp.array(informed))


@dataclass(frozen=True)
class SwitchedNeighbourhood:
    """A neighbourhood whose state holds the switches as well."""

    inner: Neighbourhood

    def init(self, actor):
        return self.inner.init(actor), Switches.create()

    def improve(self, objective, actor, state, key, remaining=1.0):
        inner, switches = state
        known = jnp.where(switches.informed, objective.corrected, objective.experience.advantage)
        objective = eqx.tree_at(lambda o: o.corrected, objective, known)
        better, inner, info = self.inner.improve(objective, actor, inner, key, remaining)
        actor = jax.tree.map(lambda new, old: jnp.where(switches.moves, new, old), better, actor)
        return actor, (inner, switches), info

    def contains(self, old, new, weight):
        return self.inner.contains(old, new, weight)


@dataclass(frozen=True)
class SwitchedScheme:
    """An order that can be switched to that of the roster: the k-th visit is then to unit k."""

    inner: Scheme

    def sweep(self, visit, team, carry, units, key):
        shuffles = team.states[0][1].shuffles[0]

        def visit_in_place(unit, team, carry, key):
            place, inner = carry
            team, inner, info = visit(jnp.where(shuffles, unit, place), team, inner, key)
            return team, (place + 1, inner), info

        return self.inner.sweep(visit_in_place, team, (jnp.int32(0), carry), units, key)


def ordered(algorithm):
    """Whether agents move one after another, so that an order and M mean something."""
    return isinstance(algorithm.scheme, Sequential)


def switched(algorithm):
    """The same algorithm with switches in its state."""
    match algorithm.scheme:
        case Sequential():
            scheme = SwitchedScheme(algorithm.scheme)
        case MetaGame():
            scheme = _predicting(algorithm.scheme)
        case MetaStep(game):
            scheme = MetaStep(_predicting(game))
        case scheme:
            pass
    return replace(algorithm, neighbourhood=SwitchedNeighbourhood(algorithm.neighbourhood), scheme=scheme)


def _predicting(game):
    """What is predicted is the step of a neighbourhood with the same switches."""
    step = game.prediction
    return replace(game, prediction=replace(step, neighbourhood=SwitchedNeighbourhood(step.neighbourhood)))


def turned(training, switches):
    """A run of a switched algorithm with its switches set, those of every unit alike."""
    states = tuple(
        (inner, jax.tree.map(lambda now, new: jnp.broadcast_to(new, now.shape), held, switches))
        for inner, held in training.learner.team.states
    )
    return eqx.tree_at(lambda t: t.learner.team.states, training, states)
