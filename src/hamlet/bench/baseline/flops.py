"""Count the matrix operations of one environment step of training, by a formula.

A forward pass of a network costs 2·Σ(inputs × outputs) operations per sample. Other costs are multiples of it:

* a gradient costs three forward passes;
* the product of the Fisher matrix and a vector costs four forward passes (two for the tangent, two for its transpose).

Elementwise operations are not counted. They reduce the measured fraction of the machine's matrix rate.

On-policy algorithms, in forward passes per environment step:

    actor, first order:   rollout 1 + old policy 1 + epochs × 3 + M 1 (sequential schemes only)
    actor, natural step:  rollout 1 + old policy 1 + gradient 3 + linearisation 1 + 4 × iterations + tries + new 1
    critic of states:     values before and after each step 2 + epochs × 3
    critic of actions:    values before and after each step 2 + epochs × 3, for every agent, + 1 for every sampled
                          alternative action (continuous actions only); and for the actors, which sample the actions,
                          2 more: before and after each step

M is the product of the probability ratios of the agents that were updated earlier.

Off-policy algorithms, in forward passes per replayed sample of one update. C is the number of critic networks, and R
is the number of critic networks through which the actors are improved:

    critic:               targets C × 1 + fit C × 3
    actors, once per      current actions 1 + gradient 3 + new actions 1 (sequential schemes only), and for every unit
    policy delay:         the gradient of R networks with respect to their inputs, 2
    target actions:       1

A unit is one set of policy parameters. The cost is multiplied by the number of replayed samples per environment step.

HAD3QN has one critic, and each agent's network estimates the values of the agent's actions:

    critic:               targets 1 + fit 3 + regression targets of the agents 1
    actors:               target actions 1 + regression 3 + current actions 1 (if the other agents' actions start as the
                          greedy actions)

Value decomposition, per step of every episode of an update, including the padding:

    agents, mixer:        targets 1 + regression 3; the agents also evaluate the final observation of an episode
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from hamlet.backends.select import backend_of
from hamlet.envs.host import AnyEnvironment
from hamlet.estimation.counterfactual import CounterfactualState, CounterfactualValue
from hamlet.estimation.critic import StateValue
from hamlet.haml.neighbourhood import KlBall, Unconstrained
from hamlet.haml.scheme import Sequential
from hamlet.haml.template import Haml
from hamlet.learners import Algorithm
from hamlet.learners.decomposition import Decomposition, DecompositionLearner
from hamlet.learners.replay import ReplayLearner, parts
from hamlet.learners.value import JointValue, ValueLearner
from hamlet.spaces import Discrete


@dataclass(frozen=True)
class Flops:
    """The operations of one environment step, summed over all agents: rollout, update of actors, update of critics."""

    rollout: float
    actors: float
    critics: float

    @property
    def update(self) -> float:
        """The operations of the update, without the rollout."""
        return self.actors + self.critics

    @property
    def total(self) -> float:
        """The operations of the rollout and the update."""
        return self.rollout + self.update


def count(algorithm: Algorithm, env: AnyEnvironment, *, tries: float = 1.0) -> Flops:
    """Count the operations of one environment step. ``tries`` is the mean number of tries of the line search.

    >>> from hamlet import algorithms, envs
    >>> small = {"hidden": (16,), "advantage": "optimal_baseline", "epochs": 1, "critic_epochs": 1}
    >>> found = count(algorithms.make("mappo", **small), envs.make("mpe/simple_spread", continuous=False))
    >>> found.actors / found.rollout  # old policy 1 + gradient 3 + actors before and after each step 2
    6.0
    """
    learner = backend_of(env).outline(algorithm).learner
    agents = [len(group.names) for group in env.groups]
    shares = [a / _units(actor) for a, actor in zip(agents, learner.team.actors, strict=True)]
    actor = sum(_forward(stack, 3) * share for stack, share in zip(learner.team.actors, shares, strict=True))
    return _FAMILIES[algorithm.family](algorithm, env, actor, learner, tries)


def _fresh(algorithm: Haml, env: AnyEnvironment, actor: float, learner: Any, tries: float) -> Flops:
    move = 1.0 if isinstance(algorithm.scheme, Sequential) else 0.0
    match algorithm.neighbourhood:
        case Unconstrained(epochs=epochs):
            passes = 1 + 3 * epochs + move
        case KlBall(iterations=iterations, fisher_samples=samples):
            share = samples / algorithm.sampling.batch if samples else 1.0
            passes = 1 + 3 + share * (1 + 4 * iterations) + tries + 1
        case other:
            raise TypeError(f"no formula for {other}")
    if isinstance(algorithm.critic, CounterfactualValue):
        return Flops(actor, actor * (passes + 2), _counterfactual(algorithm.critic, env, learner.critic))
    assert isinstance(algorithm.critic, StateValue)
    critic = sum(_forward(stack, 3) for stack in learner.critic.networks)
    return Flops(actor, actor * passes, critic * (2 + 3 * algorithm.critic.epochs))


def _counterfactual(critic: CounterfactualValue, env: AnyEnvironment, state: CounterfactualState) -> float:
    drawn = [0 if isinstance(group.action, Discrete) else critic.samples for group in env.groups]
    passes = [len(group.names) * (2 + more + 3 * critic.epochs) for group, more in zip(env.groups, drawn, strict=True)]
    return sum(_forward(stack, 3) * count for stack, count in zip(state.networks, passes, strict=True))


def _replayed(algorithm: Haml, env: AnyEnvironment, actor: float, learner: ReplayLearner, tries: float) -> Flops:
    components, move = parts(algorithm), 1.0 if isinstance(algorithm.scheme, Sequential) else 0.0
    sampling = components.sampling
    networks = [_forward(network, 2) for network in learner.critic.networks]
    climbed = sum(networks) if components.surrogate.reads == "least" else networks[0]
    units = sum(_units(stack) for stack in learner.team.actors)
    present = 1.0 if components.surrogate.others == "policy" else 0.0
    moving = (actor * (present + 3 + move) + units * 2 * climbed) / sampling.delay
    often = sampling.updates * sampling.samples / sampling.batch
    return Flops(actor, often * (actor + moving), often * 4 * sum(networks))


def _regressed(algorithm: JointValue, env: AnyEnvironment, actor: float, learner: ValueLearner, tries: float) -> Flops:
    often = algorithm.sampling.updates * algorithm.sampling.samples / algorithm.sampling.batch
    passes = 4 + (algorithm.rest == "greedy")
    return Flops(
        actor, often * passes * actor, often * 5 * sum(_forward(network, 2) for network in learner.critic.networks)
    )


def _decomposed(
    algorithm: Decomposition, env: AnyEnvironment, actor: float, learner: DecompositionLearner, tries: float
) -> Flops:
    sampling = algorithm.sampling
    often = sampling.updates * sampling.samples * sampling.longest / sampling.batch
    views = 1 + 1 / sampling.longest  # the observations of the steps, and the final observation
    mixer = _forward(learner.critic.networks[0], 2)
    return Flops(actor, often * views * 4 * actor, often * 4 * mixer)


# The counting function, by the family of the algorithm.
_FAMILIES: dict[str, Callable[..., Flops]] = {
    "fresh rollouts": _fresh,
    "replayed steps": _replayed,
    "joint values": _regressed,
    "decomposed values": _decomposed,
}


def _units(stack: object) -> int:
    return jax.tree.leaves(stack)[0].shape[0]


def _forward(stack: object, axes: int) -> float:
    """Return the operations of one sample's forward pass through a network, or through every network of a stack.

    Args:
        stack: The network, or the stack of networks.
        axes: The number of axes of a weight: 2 for a network, 3 for a stack.
    """
    return sum(2.0 * float(np.prod(leaf.shape)) for leaf in jax.tree.leaves(stack) if leaf.ndim == axes)
