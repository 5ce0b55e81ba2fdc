"""Counting the matrix arithmetic of one environment step of training, by a formula.

A network's forward pass costs 2·Σ(inputs × outputs) operations a sample; its gradient three forward passes; the
product of a Fisher matrix and a vector four (two for the tangent, two for its transpose). Elementwise work is not
counted: the fraction of the matrix rate that is reached pays for it.

    actor, first order:   rollout 1 + old policy 1 + epochs × 3 + M 1 (sequential schemes only)
    actor, natural step:  rollout 1 + old policy 1 + gradient 3 + linearisation 1 + 4 × iterations + tries + new 1
    critic:               values before and after each step 2 + epochs × 3
    critic of actions:    likewise, for every agent, and 1 for every alternative that is drawn (of actions that are no
                          choices); actors once more before and after each step, as those that sampled, 2

Of an algorithm that replays, one sample of one update costs, with C the critic's networks, of which actors climb R:

    critic:               targets C × 1 + fit C × 3
    actors, once a delay: present actions 1 + ascent 3 + (sequential schemes only) new actions 1, and for every unit the
                          climb through R networks to their inputs, 2
    target actions:       1

times the samples that are replayed for each environment step. Of HAD3QN, with its one critic and its branches:

    critic:               targets 1 + fit 3 + what agents regress on 1
    actors:               target choices 1 + regression 3 + (where the others' slots begin greedy) present choices 1

Of decomposed values, of every step of every episode of an update, its padding included:

    agents, mixer:        targets 1 + regression 3; agents see the final view of an episode as well
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
    """Operations of one environment step (all agents), by where they are spent."""

    rollout: float
    actors: float
    critics: float

    @property
    def update(self) -> float:
        """Without the rollout."""
        return self.actors + self.critics

    @property
    def total(self) -> float:
        """Everything."""
        return self.rollout + self.update


def count(algorithm: Algorithm, env: AnyEnvironment, *, tries: float = 1.0) -> Flops:
    """Count one step. ``tries`` is the line search's mean number of tries.

    >>> from hamlet import algorithms, envs
    >>> small = {"hidden": (16,), "advantage": "optimal_baseline", "epochs": 1, "critic_epochs": 1}
    >>> found = count(algorithms.make("mappo", **small), envs.make("mpe/simple_spread", continuous=False))
    >>> found.actors / found.rollout  # the old policy, its gradient, and what sampled before and after each step
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
    views = 1 + 1 / sampling.longest  # the final view as well
    mixer = _forward(learner.critic.networks[0], 2)
    return Flops(actor, often * views * 4 * actor, often * 4 * mixer)


# By the family of a declaration.
_FAMILIES: dict[str, Callable[..., Flops]] = {
    "fresh rollouts": _fresh,
    "replayed steps": _replayed,
    "joint values": _regressed,
    "decomposed values": _decomposed,
}


def _units(stack: object) -> int:
    return jax.tree.leaves(stack)[0].shape[0]


def _forward(stack: object, axes: int) -> float:
    """Of one sample through a network, or every network of a stack: weights have two axes, and in a stack one more."""
    return sum(2.0 * float(np.prod(leaf.shape)) for leaf in jax.tree.leaves(stack) if leaf.ndim == axes)
