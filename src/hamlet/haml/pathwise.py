"""Off-policy surrogates: an actor maximises the value of the joint action through its own action.

The carry (the quantity passed from one unit's update to the next's) is the joint action at every state. The slots of
units that are already updated hold the actions of their new policies. The slots of the later units hold the actions of
their old policies.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from hamlet.errors import require
from hamlet.estimation.accumulation import in_parts, shares, summed
from hamlet.estimation.action_value import least, value
from hamlet.estimation.returns import mean
from hamlet.haml.drift import Drift, ZeroDrift
from hamlet.haml.dual import Dual
from hamlet.haml.objective import ObjectiveTerms
from hamlet.networks.actors import scaled
from hamlet.networks.heads import Value
from hamlet.spaces import Box, MultiDiscrete, Space
from hamlet.types import Scalar

# The actions in the other units' slots before the first update of an iteration.
Others: TypeAlias = Literal["policy", "replay"]


class Replayed(eqx.Module):
    """The data of one unit with K agents at B replayed states; the data of a group are stacked by unit.

    Attributes:
        observation: Encoded observations ``[K, B, O]``, or images.
        available: Mask of available discrete actions ``[K, B, A]``, or None.
        alive: Mask of active agents ``[K, B]``, or None for all. An inactive agent's slot holds zeros.
        noise: Noise of the action in the unit's own objective, ``[K, B, W]``.
        fresh: Noise of the action that later units use, ``[K, B, W]``.
        temperature: Entropy temperature α.
        slot: Index of the unit in its group.
        group: Index of the group.
        space: Action space.
        at_once: Number of states that networks process at once; 0 for all.
    """

    observation: Array
    available: Bool[Array, "*units K B A"] | None
    alive: Bool[Array, "*units K B"] | None
    noise: Float[Array, "*units K B W"]
    fresh: Float[Array, "*units K B W"]
    temperature: Float[Array, "*units"]
    slot: Int[Array, "*units"]
    group: int = eqx.field(static=True)
    space: Space = eqx.field(static=True)
    at_once: int = eqx.field(static=True, default=0)

    def policy(self, actor: Any) -> Any:
        """Return the actor's distribution at every state, with leaves ``[K, B, …]``."""
        agents, states = self.noise.shape[:2]
        rows = self.observation.reshape(agents * states, 1, *self.observation.shape[2:])
        masks = None if self.available is None else self.available.reshape(agents * states, 1, -1)

        def of(rows, masks, start):
            return actor(rows, None, start, masks)[0]

        distribution = in_parts(of, self.at_once * agents, rows, masks, jnp.zeros((agents * states, 1), bool))
        return jax.tree.map(lambda leaf: leaf.reshape(agents, states, *leaf.shape[2:]), distribution)

    def take(self, index: Int[Array, " P"]) -> "Replayed":
        """Return the data of some of the states."""
        rows = (self.observation, self.available, self.alive, self.noise, self.fresh)
        observation, available, alive, noise, fresh = jax.tree.map(lambda leaf: leaf[:, index], rows)
        rest = (self.temperature, self.slot, self.group, self.space, self.at_once)
        return Replayed(observation, available, alive, noise, fresh, *rest)

    def code(self, action: Float[Array, "K B W"]) -> Float[Array, "K B W"]:
        """Return actions in the encoding of the critic's input."""
        scaled_action = scaled(action, self.space)
        return scaled_action if self.alive is None else jnp.where(self.alive[..., None], scaled_action, 0.0)


class Joint(eqx.Module):
    """The joint action at B states, and the critics that evaluate it.

    Attributes:
        critic: The critic networks.
        state: States ``[B, S]``.
        codes: For every group the encoded actions of its units, ``[units, K, B, W]``.
    """

    critic: tuple[Value, ...]
    state: Float[Array, "B S"]
    codes: tuple[Float[Array, "_units _K B _W"], ...]

    def placed(self, group: int, slot: Int[Array, ""], code: Float[Array, "K B W"]) -> "Joint":
        """Return the joint action with new actions in the slot of one unit."""
        codes = (*self.codes[:group], self.codes[group].at[slot].set(code), *self.codes[group + 1 :])
        return Joint(self.critic, self.state, codes)

    def take(self, index: Int[Array, " P"]) -> "Joint":
        """Return the joint action at some of the states."""
        return Joint(self.critic, self.state[index], tuple(code[:, :, index] for code in self.codes))

    @property
    def inputs(self) -> Float[Array, "B I"]:
        """Return the critic's inputs: the state, then all agents' actions."""
        return joined(self.state, self.codes)


def joined(state: Float[Array, "B S"], codes: tuple[Float[Array, "_units _K B _W"], ...]) -> Float[Array, "B I"]:
    """Concatenate the state and all agents' actions in each row."""
    rows = [jnp.moveaxis(code, 2, 0).reshape(code.shape[2], -1) for code in codes]
    return jnp.concatenate([state, *rows], axis=-1)


class Climb(eqx.Module):
    """The objective E[ Q(s, a) − α log π(aⁱ|oⁱ) ] of one unit, with fixed actions in the other slots.

    Q is the critic at state s and joint action a, and α the temperature of the unit's policy π. ``weight`` holds the
    weights of the states, and of the agents in them, in means over the batch when it is processed in parts.
    """

    share: Replayed
    joint: Joint
    reads: Literal["first", "least"] = eqx.field(static=True)
    weight: tuple[Float[Array, " B"], Float[Array, "K B"]] | tuple[None, None] = (None, None)

    @property
    def size(self) -> int:
        """Return B."""
        return self.joint.state.shape[0]

    @property
    def at_once(self) -> int:
        """Return the number of states that networks process at once; 0 for all."""
        return self.share.at_once

    def take(self, index: Int[Array, " P"]) -> "Climb":
        """Return the objective on some of the states."""
        states, agents = self.weight
        weight = (None, None) if states is None or agents is None else (states[index], agents[:, index])
        return Climb(self.share.take(index), self.joint.take(index), self.reads, weight)

    def weighed(self) -> "Climb":
        """Return the objective with the weight of each state in the batch."""
        alive, share = self.share.alive, dataclasses.replace(self.share, at_once=0)
        weight = shares((self.size,), None if alive is None else alive.any(0)), shares(share.noise.shape[:2], alive)
        return Climb(share, self.joint, self.reads, weight)

    def __call__(self, actor: Any) -> ObjectiveTerms:
        """Return all terms, from one evaluation of the policy."""
        return summed(lambda part: part._terms(actor), self)

    def _terms(self, actor: Any) -> ObjectiveTerms:
        share, (states, agents) = self.share, self.weight
        action, certainty = share.policy(actor).relaxed(share.noise)
        inputs = self.joint.placed(share.group, share.slot, share.code(action)).inputs
        worth = value(self.joint.critic[0], inputs) if self.reads == "first" else least(self.joint.critic, inputs)
        living = None if share.alive is None else share.alive.any(0)
        certain = certainty if share.alive is None else jnp.where(share.alive, certainty, 0.0)
        total = mean(certain.sum(0), living, states)
        entropy = -mean(certainty, share.alive, agents)
        return ObjectiveTerms(mean(worth, living, states) - share.temperature * total, entropy, {})


@dataclass(frozen=True, kw_only=True)
class Pathwise:
    """The deterministic policy gradient: unit i maximises E[ Q(s, a_new^{earlier}, μⁱ(oⁱ), a_old^{later}) ].

    Q is the critic, s the state, μⁱ(oⁱ) the unit's action at observation oⁱ; earlier units use their new policies'
    actions, later units their old policies' actions. Critics bootstrap from the actions of target actors. With
    smoothing, these actions have clipped noise.

    References: Zhong et al., 2024, arXiv:2304.09870, appendices G and H; Silver et al., 2014, PMLR 32; Fujimoto et al.,
    2018, arXiv:1802.09477 (smoothing).

    Attributes:
        smoothing: Standard deviation σ of the noise on target actions, in units of half the distance between the
            action bounds.
        smoothing_clip: Bound of this noise, in the same units.
        others: Initial actions of the other units: "policy" for their policies' actions, or "replay" for the replayed
            actions (as published for MADDPG; Lowe et al., 2017, arXiv:1706.02275).
    """

    smoothing: float = 0.0
    smoothing_clip: float = 0.5
    others: Others = "policy"
    reads: ClassVar[Literal["first", "least"]] = "first"
    target_actors: ClassVar[bool] = True
    temperature: ClassVar[None] = None

    def __post_init__(self) -> None:
        """Check the settings."""
        require(self.smoothing >= 0, f"--target-noise must not be negative: {self.smoothing}")
        require(self.smoothing_clip >= 0, f"--target-noise-clip must not be negative: {self.smoothing_clip}")

    def objective(self, carry: Joint, actor: Any, experience: Replayed, drift: Drift) -> Climb:
        """Return the objective: the value of the joint action with the unit's own action in its slot."""
        return _climb(carry, experience, drift, self.reads)

    def advance(self, carry: Joint, objective: Climb, actor: Any) -> Joint:
        """Return the joint action with the unit's new action in its slot."""
        return _advance(carry, objective.share, actor)

    def ahead(self, policy: Any, noise: Float[Array, "*B W"]) -> tuple[Float[Array, "*B W"], Float[Array, "*B"]]:
        """Return the actions from which critics bootstrap, and the log-probabilities to subtract (here 0)."""
        if not self.smoothing:
            return policy.relaxed(noise)
        shift = jnp.clip(self.smoothing * noise, -self.smoothing_clip, self.smoothing_clip)
        return policy.moved(shift), jnp.zeros(noise.shape[:-1])


@dataclass(frozen=True, kw_only=True)
class SoftPathwise:
    """The soft policy gradient: E[ Q(s, a_new^{earlier}, aⁱ, a_old^{later}) − αⁱ log πⁱ(aⁱ|oⁱ) ] with aⁱ ~ πⁱ.

    Q is the critic at state s, πⁱ the policy of unit i at observation oⁱ, and αⁱ its temperature. The gradient passes
    through the sampled action aⁱ. Critics bootstrap from the current actors' actions and subtract Σ αⁱ log πⁱ. They
    predict the return plus entropy, whose equilibria are quantal response equilibria. Each temperature αⁱ grows while
    the entropy of its unit is below the target:

        discrete actions: c · log(number of available actions)
        a Box with D entries: −D, in units of half the distances between the bounds

    References: Liu et al., 2024, arXiv:2306.10715 (HASAC); Haarnoja et al., 2018, arXiv:1812.05905. In the reference
    code, the target for discrete actions is 0, the critic has a separate temperature, and log π is sampled where its
    mean −H (the negative entropy) is known.

    Attributes:
        temperature: Initial α and its learning rate.
        target: c, in [0, 1).
        others: Initial actions of the other units, see `Pathwise`.
    """

    temperature: Dual = field(default_factory=Dual)
    target: float = 0.3
    others: Others = "policy"
    reads: ClassVar[Literal["first", "least"]] = "least"
    target_actors: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Check that a policy can have the target entropy."""
        require(
            0 <= self.target < 1,
            f"--target-entropy must be in [0, 1), as a share of log|A|, not {self.target}; try 0.3",
        )

    def objective(self, carry: Joint, actor: Any, experience: Replayed, drift: Drift) -> Climb:
        """Return the objective: the value with a sampled action of the unit in its slot, plus the entropy term."""
        return _climb(carry, experience, drift, self.reads)

    def advance(self, carry: Joint, objective: Climb, actor: Any) -> Joint:
        """Return the joint action with a sample of the unit's new policy in its slot."""
        return _advance(carry, objective.share, actor)

    def ahead(self, policy: Any, noise: Float[Array, "*B W"]) -> tuple[Float[Array, "*B W"], Float[Array, "*B"]]:
        """Return sampled actions and their log π."""
        return policy.relaxed(noise)

    def wanted(self, share: Replayed) -> Scalar:
        """Return the target entropy of a unit's agents, in nats."""
        if isinstance(share.space, Box):
            low, high = share.space.bounds
            return jnp.asarray(np.log(0.5 * (high - low)).sum() - share.space.width, jnp.float32)
        sizes = share.space.sizes if isinstance(share.space, MultiDiscrete) else (share.space.width,)
        if share.available is None:
            return jnp.asarray(self.target * np.log(sizes).sum(), jnp.float32)
        parts = jnp.split(share.available, np.cumsum(sizes)[:-1], axis=-1)
        choices = sum(jnp.log(jnp.maximum(part.sum(-1), 1).astype(jnp.float32)) for part in parts)
        return self.target * mean(jnp.asarray(choices), share.alive)


def _climb(carry: Joint, share: Replayed, drift: Drift, reads: Literal["first", "least"]) -> Climb:
    require(
        isinstance(drift, ZeroDrift),
        f"{drift} needs the old policy, which a replay buffer does not store: use ZeroDrift",
    )
    return Climb(share, carry, reads)


def _advance(carry: Joint, share: Replayed, actor: Any) -> Joint:
    action, _ = share.policy(actor).relaxed(share.fresh)
    return jax.lax.stop_gradient(carry.placed(share.group, share.slot, share.code(action)))
