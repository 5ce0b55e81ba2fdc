"""Rewards and falls: the rules of Gymnasium's v5 environments, for a batch of environment copies.

    rₜ = w (xₜ₊₁ − xₜ)/Δ + h·[healthy] − c Σ a² − k Σ f².

rₜ is the reward; every agent gets the same. x is the position that measures progress, Δ the time of a step, a the
action and f the external forces on the bodies. w, h, c and k are options.

Each class has the options that a user can change, with Gymnasium's names and defaults. Its method ``judge`` computes
the rewards and which copies are healthy (have not fallen).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Float

__all__ = ["Ant", "Hopper", "Humanoid", "HumanoidStandup", "Moved", "Rules", "Runner", "Verdict", "Walker2d"]


class Moved(NamedTuple):
    """The quantities of a step of E copies; float64.

    Attributes:
        velocity: The velocity of the measured position along x, ``[E]``; m/s.
        action: The controls of all actuators, ``[E, D]``.
        quantities: The quantities read after the step, ``[E, …]``, by their names in `hamlet.envs.mamujoco.layout`.
        timestep: The time step of the simulation, not of the environment; s.
    """

    velocity: Float[np.ndarray, " E"]
    action: Float[np.ndarray, "E D"]
    quantities: Mapping[str, Float[np.ndarray, "E _"]]
    timestep: float


class Verdict(NamedTuple):
    """The reward of each copy, and whether its episode continues."""

    reward: Float[np.ndarray, " E"]
    healthy: Bool[np.ndarray, " E"]


@dataclass(frozen=True)
class Runner:
    """HalfCheetah and swimmers: move forward with small controls; an episode never terminates.

    Attributes:
        forward_reward_weight: w, the weight of the forward speed; per m/s.
        ctrl_cost_weight: c, the weight of the squared actions.
        reset_noise_scale: The scale of the noise in first positions and velocities.
    """

    forward_reward_weight: float = 1.0
    ctrl_cost_weight: float = 0.1
    reset_noise_scale: float = 0.1

    def judge(self, moved: Moved) -> Verdict:
        """Compute the rewards; every copy is healthy."""
        reward = self.forward_reward_weight * moved.velocity - _control(self.ctrl_cost_weight, moved.action)
        return Verdict(reward, np.ones(len(reward), bool))


@dataclass(frozen=True)
class Hopper:
    """Hopper: move forward without falling.

    Attributes:
        forward_reward_weight: w, the weight of the forward speed; per m/s.
        ctrl_cost_weight: c, the weight of the squared actions.
        healthy_reward: h, the reward for a step without a fall.
        terminate_when_unhealthy: Whether a fall terminates the episode.
        healthy_state_range: The healthy range of every velocity, and of every position except the first two.
        healthy_z_range: The healthy range of the torso's height; m.
        healthy_angle_range: The healthy range of the torso's angle; rad.
        reset_noise_scale: The scale of the noise in first positions and velocities.
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
        """Compute the rewards, and which copies are healthy."""
        position = moved.quantities["qpos"]
        healthy = _within(position[:, 1], self.healthy_z_range) & _within(position[:, 2], self.healthy_angle_range)
        for values in (position[:, 2:], moved.quantities["qvel"]):
            healthy &= _within(values, self.healthy_state_range).all(1)
        return _upright(self, moved, healthy)


@dataclass(frozen=True)
class Walker2d:
    """Walker2d: move forward without falling, on two legs.

    Attributes:
        forward_reward_weight: w, the weight of the forward speed; per m/s.
        ctrl_cost_weight: c, the weight of the squared actions.
        healthy_reward: h, the reward for a step without a fall.
        terminate_when_unhealthy: Whether a fall terminates the episode.
        healthy_z_range: The healthy range of the torso's height; m.
        healthy_angle_range: The healthy range of the torso's angle; rad.
        reset_noise_scale: The scale of the noise in first positions and velocities.
    """

    forward_reward_weight: float = 1.0
    ctrl_cost_weight: float = 1e-3
    healthy_reward: float = 1.0
    terminate_when_unhealthy: bool = True
    healthy_z_range: tuple[float, float] = (0.8, 2.0)
    healthy_angle_range: tuple[float, float] = (-1.0, 1.0)
    reset_noise_scale: float = 5e-3

    def judge(self, moved: Moved) -> Verdict:
        """Compute the rewards, and which copies are healthy."""
        position = moved.quantities["qpos"]
        healthy = _within(position[:, 1], self.healthy_z_range) & _within(position[:, 2], self.healthy_angle_range)
        return _upright(self, moved, healthy)


@dataclass(frozen=True)
class Ant:
    """Ant: move forward without falling, and with small contact forces.

    Attributes:
        forward_reward_weight: w, the weight of the torso's forward speed; per m/s.
        ctrl_cost_weight: c, the weight of the squared actions.
        contact_cost_weight: k, the weight of the squared forces on the bodies, which are clipped to ±1.
        healthy_reward: h, the reward for a step without a fall.
        terminate_when_unhealthy: Whether a fall terminates the episode.
        healthy_z_range: The healthy range of the torso's height, including both ends; m.
        reset_noise_scale: The scale of the noise in first positions and velocities.
    """

    forward_reward_weight: float = 1.0
    ctrl_cost_weight: float = 0.5
    contact_cost_weight: float = 5e-4
    healthy_reward: float = 1.0
    terminate_when_unhealthy: bool = True
    healthy_z_range: tuple[float, float] = (0.2, 1.0)
    reset_noise_scale: float = 0.1

    def judge(self, moved: Moved) -> Verdict:
        """Compute the rewards, and which copies are healthy: the torso is neither too low nor too high."""
        height = moved.quantities["qpos"][:, 2]
        healthy = (self.healthy_z_range[0] <= height) & (height <= self.healthy_z_range[1])
        force = np.clip(moved.quantities["cfrc_ext"], -1.0, 1.0)
        return _upright(self, moved, healthy, self.contact_cost_weight * np.square(force).sum(1))


@dataclass(frozen=True)
class Humanoid:
    """Humanoid: move forward without falling, on two legs and in three dimensions.

    Attributes:
        forward_reward_weight: w, the weight of the centre of mass's forward speed; per m/s.
        ctrl_cost_weight: c, the weight of the squared actions.
        contact_cost_weight: k, the weight of the squared forces on the bodies.
        contact_cost_range: The range to which the cost of contacts is clipped.
        healthy_reward: h, the reward for a step without a fall.
        terminate_when_unhealthy: Whether a fall terminates the episode.
        healthy_z_range: The healthy range of the torso's height; m.
        reset_noise_scale: The scale of the noise in first positions and velocities.
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
        """Compute the rewards, and which copies are healthy."""
        healthy = _within(moved.quantities["qpos"][:, 2], self.healthy_z_range)
        cost = self.contact_cost_weight * np.square(moved.quantities["cfrc_ext"]).sum(1)
        return _upright(self, moved, healthy, np.clip(cost, *self.contact_cost_range))


@dataclass(frozen=True)
class HumanoidStandup:
    """Get up from the ground: rₜ = z/δ − c Σ a² − k Σ f² + 1; an episode never terminates.

    rₜ is the reward, z the torso's height, δ the simulation's time step, a the action and f the forces on the bodies.

    Attributes:
        ctrl_cost_weight: c, the weight of the squared actions.
        impact_cost_weight: k, the weight of the squared forces on the bodies.
        impact_cost_range: The range to which the cost of impacts is clipped.
        reset_noise_scale: The scale of the noise in first positions and velocities.
    """

    ctrl_cost_weight: float = 0.1
    impact_cost_weight: float = 5e-7
    impact_cost_range: tuple[float, float] = (-math.inf, 10.0)
    reset_noise_scale: float = 1e-2

    def judge(self, moved: Moved) -> Verdict:
        """Compute the rewards; every copy is healthy."""
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
