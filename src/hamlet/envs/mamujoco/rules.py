"""What a step earns, and who has fallen: the rules of Gymnasium's v5 environments, for a batch of copies.

    rₜ = w (xₜ₊₁ − xₜ)/Δ + h·[healthy] − c Σ a² − k Σ f²,

x the place that is measured, a the action, f the external forces on the bodies; every agent gets the same. Each class
holds the options that a user may change, under the names and with the defaults that Gymnasium gives them, and its
method ``judge`` gives the rewards and who is healthy.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Float

__all__ = ["Ant", "Hopper", "Humanoid", "HumanoidStandup", "Moved", "Rules", "Runner", "Verdict", "Walker2d"]


class Moved(NamedTuple):
    """What a step of E copies brought; float64.

    Attributes:
        velocity: Of the place that is measured, along x, ``[E]``; m/s.
        action: The controls of all actuators, ``[E, D]``.
        quantities: By the names of `hamlet.envs.mamujoco.layout.QUANTITIES`, what was read after the step, ``[E, …]``.
        timestep: Of the simulation, not of the environment; s.
    """

    velocity: Float[np.ndarray, " E"]
    action: Float[np.ndarray, "E D"]
    quantities: Mapping[str, Float[np.ndarray, "E _"]]
    timestep: float


class Verdict(NamedTuple):
    """The reward of each copy, and whether its episode goes on."""

    reward: Float[np.ndarray, " E"]
    healthy: Bool[np.ndarray, " E"]


@dataclass(frozen=True)
class Runner:
    """HalfCheetah and swimmers: forward, at little cost; an episode never terminates.

    Attributes:
        forward_reward_weight: w, of the speed; per m/s.
        ctrl_cost_weight: c, of the squared actions.
        reset_noise_scale: How far first positions and velocities stray.
    """

    forward_reward_weight: float = 1.0
    ctrl_cost_weight: float = 0.1
    reset_noise_scale: float = 0.1

    def judge(self, moved: Moved) -> Verdict:
        """Rewards, and everyone healthy."""
        reward = self.forward_reward_weight * moved.velocity - _control(self.ctrl_cost_weight, moved.action)
        return Verdict(reward, np.ones(len(reward), bool))


@dataclass(frozen=True)
class Hopper:
    """Forward without falling.

    Attributes:
        forward_reward_weight: w, of the speed; per m/s.
        ctrl_cost_weight: c, of the squared actions.
        healthy_reward: h, for a step without a fall.
        terminate_when_unhealthy: Whether a fall ends the episode.
        healthy_state_range: Between which every velocity, and every position but the first two, must lie.
        healthy_z_range: Between which the torso's height must lie; m.
        healthy_angle_range: Between which the torso's angle must lie; rad.
        reset_noise_scale: How far first positions and velocities stray.
    """

    forward_reward_weight: float = 1.0
    ctrl_cost_weight: float = 1e-3
    healthy_reward: float = 1.0
    terminate_when_unhealthy: bool = True
    healthy_state_range: tuple[float, float] = (-100.0, 100.0)
    healthy_z_range: tuple[float, float] = (0.7, math.inf)
    healthy_angle_range: tuple[float, float] = (-0.2, 0.2)
    reset_noise_scale: float = 5e-3

    def judge(self, moved: Moved) -> Verdict:
        """Rewards, and who stands."""
        position = moved.quantities["qpos"]
        healthy = _within(position[:, 1], self.healthy_z_range) & _within(position[:, 2], self.healthy_angle_range)
        for values in (position[:, 2:], moved.quantities["qvel"]):
            healthy &= _within(values, self.healthy_state_range).all(1)
        return _upright(self, moved, healthy)


@dataclass(frozen=True)
class Walker2d:
    """Forward without falling, on two legs.

    Attributes:
        forward_reward_weight: w, of the speed; per m/s.
        ctrl_cost_weight: c, of the squared actions.
        healthy_reward: h, for a step without a fall.
        terminate_when_unhealthy: Whether a fall ends the episode.
        healthy_z_range: Between which the torso's height must lie; m.
        healthy_angle_range: Between which the torso's angle must lie; rad.
        reset_noise_scale: How far first positions and velocities stray.
    """

    forward_reward_weight: float = 1.0
    ctrl_cost_weight: float = 1e-3
    healthy_reward: float = 1.0
    terminate_when_unhealthy: bool = True
    healthy_z_range: tuple[float, float] = (0.8, 2.0)
    healthy_angle_range: tuple[float, float] = (-1.0, 1.0)
    reset_noise_scale: float = 5e-3

    def judge(self, moved: Moved) -> Verdict:
        """Rewards, and who stands."""
        position = moved.quantities["qpos"]
        healthy = _within(position[:, 1], self.healthy_z_range) & _within(position[:, 2], self.healthy_angle_range)
        return _upright(self, moved, healthy)


@dataclass(frozen=True)
class Ant:
    """Forward without falling, and without bumping.

    Attributes:
        forward_reward_weight: w, of the speed; per m/s of the torso.
        ctrl_cost_weight: c, of the squared actions.
        contact_cost_weight: k, of the squared forces on the bodies, clipped to ±1.
        healthy_reward: h, for a step without a fall.
        terminate_when_unhealthy: Whether a fall ends the episode.
        healthy_z_range: Between which the torso's height must lie, both included; m.
        reset_noise_scale: How far first positions and velocities stray.
    """

    forward_reward_weight: float = 1.0
    ctrl_cost_weight: float = 0.5
    contact_cost_weight: float = 5e-4
    healthy_reward: float = 1.0
    terminate_when_unhealthy: bool = True
    healthy_z_range: tuple[float, float] = (0.2, 1.0)
    reset_noise_scale: float = 0.1

    def judge(self, moved: Moved) -> Verdict:
        """Rewards, and whose torso is neither down nor up in the air."""
        height = moved.quantities["qpos"][:, 2]
        healthy = (self.healthy_z_range[0] <= height) & (height <= self.healthy_z_range[1])
        force = np.clip(moved.quantities["cfrc_ext"], -1.0, 1.0)
        return _upright(self, moved, healthy, self.contact_cost_weight * np.square(force).sum(1))


@dataclass(frozen=True)
class Humanoid:
    """Forward without falling, on two legs and in three dimensions.

    Attributes:
        forward_reward_weight: w, of the speed; per m/s of the centre of mass.
        ctrl_cost_weight: c, of the squared actions.
        contact_cost_weight: k, of the squared forces on the bodies.
        contact_cost_range: To which the cost of contacts is clipped.
        healthy_reward: h, for a step without a fall.
        terminate_when_unhealthy: Whether a fall ends the episode.
        healthy_z_range: Between which the torso's height must lie; m.
        reset_noise_scale: How far first positions and velocities stray.
    """

    forward_reward_weight: float = 1.25
    ctrl_cost_weight: float = 0.1
    contact_cost_weight: float = 5e-7
    contact_cost_range: tuple[float, float] = (-math.inf, 10.0)
    healthy_reward: float = 5.0
    terminate_when_unhealthy: bool = True
    healthy_z_range: tuple[float, float] = (1.0, 2.0)
    reset_noise_scale: float = 1e-2

    def judge(self, moved: Moved) -> Verdict:
        """Rewards, and who stands."""
        healthy = _within(moved.quantities["qpos"][:, 2], self.healthy_z_range)
        cost = self.contact_cost_weight * np.square(moved.quantities["cfrc_ext"]).sum(1)
        return _upright(self, moved, healthy, np.clip(cost, *self.contact_cost_range))


@dataclass(frozen=True)
class HumanoidStandup:
    """Up from the ground: rₜ = z/δ − c Σ a² − k Σ f² + 1, z the torso's height; an episode never terminates.

    Attributes:
        ctrl_cost_weight: c, of the squared actions.
        impact_cost_weight: k, of the squared forces on the bodies.
        impact_cost_range: To which the cost of impacts is clipped.
        reset_noise_scale: How far first positions and velocities stray.
    """

    ctrl_cost_weight: float = 0.1
    impact_cost_weight: float = 5e-7
    impact_cost_range: tuple[float, float] = (-math.inf, 10.0)
    reset_noise_scale: float = 1e-2

    def judge(self, moved: Moved) -> Verdict:
        """Rewards, and everyone healthy."""
        impact = self.impact_cost_weight * np.square(moved.quantities["cfrc_ext"]).sum(1)
        impact = np.clip(impact, *self.impact_cost_range)
        up = moved.quantities["qpos"][:, 2] / moved.timestep
        reward = up - _control(self.ctrl_cost_weight, moved.action) - impact + 1.0
        return Verdict(reward, np.ones(len(reward), bool))


Rules: TypeAlias = Runner | Hopper | Walker2d | Ant | Humanoid | HumanoidStandup


def _control(weight: float, action: np.ndarray) -> np.ndarray:
    return weight * np.square(action).sum(1)


def _within(value: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    return (bounds[0] < value) & (value < bounds[1])


def _upright(
    rules: Hopper | Walker2d | Ant | Humanoid,
    moved: Moved,
    healthy: np.ndarray,
    contact: np.ndarray | float = 0.0,
) -> Verdict:
    gain = rules.forward_reward_weight * moved.velocity + healthy * rules.healthy_reward
    reward = gain - (_control(rules.ctrl_cost_weight, moved.action) + contact)
    return Verdict(reward, healthy if rules.terminate_when_unhealthy else np.ones_like(healthy))
