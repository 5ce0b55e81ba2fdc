"""Counting the matrix arithmetic of one environment step of training, by a formula.

A network's forward pass costs 2·Σ(inputs × outputs) operations a sample; its gradient three forward passes; the
product of a Fisher matrix and a vector four (two for the tangent, two for its transpose). Elementwise work is not
counted: the fraction of the matrix rate that is reached pays for it.

    actor, first order:   rollout 1 + old policy 1 + epochs × 3 + M 1 (sequential schemes only)
    actor, natural step:  rollout 1 + old policy 1 + gradient 3 + linearisation 1 + 4 × iterations + tries + new 1
    critic:               values before and after each step 2 + epochs × 3
"""

from dataclasses import dataclass

import jax
import numpy as np

from hamlet.envs.base import Environment
from hamlet.haml.neighbourhood import KlBall, Whole
from hamlet.haml.scheme import Sequential
from hamlet.haml.template import Haml
from hamlet.training.compiled import begin_training


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


def count(algorithm: Haml, env: Environment, *, tries: float = 1.0) -> Flops:
    """Count one step. ``tries`` is the line search's mean number of tries."""
    learner = jax.eval_shape(lambda: begin_training(algorithm, env, 0)).learner
    agents = [len(group.names) for group in env.groups]
    shares = [a / _units(actor) for a, actor in zip(agents, learner.team.actors, strict=True)]
    actor = sum(_forward(stack) * share for stack, share in zip(learner.team.actors, shares, strict=True))
    critic = sum(_forward(stack) for stack in learner.critic.networks)
    move = 1.0 if isinstance(algorithm.scheme, Sequential) else 0.0
    match algorithm.neighbourhood:
        case Whole(epochs=epochs):
            passes = 1 + 3 * epochs + move
        case KlBall(iterations=iterations, fisher_samples=samples):
            share = samples / algorithm.sampling.batch if samples else 1.0
            passes = 1 + 3 + share * (1 + 4 * iterations) + tries + 1
        case other:
            raise TypeError(f"no formula for {other}")
    return Flops(actor, actor * passes, critic * (2 + 3 * algorithm.critic.epochs))


def _units(stack: object) -> int:
    return jax.tree.leaves(stack)[0].shape[0]


def _forward(stack: object) -> float:
    """Of one sample through every network of a stack: weights are its leaves of two axes beside that of units."""
    return sum(2.0 * float(np.prod(leaf.shape)) for leaf in jax.tree.leaves(stack) if leaf.ndim == 3)
