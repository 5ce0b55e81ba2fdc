"""Surrogates of replayed states: the joint action's value is climbed through the actor's own action.

The carry is the joint action at every state: earlier units' slots hold their new policies' actions, later ones' those
of the policies before.
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

# What stands in the other units' slots before anyone moves.
Others: TypeAlias = Literal["policy", "replay"]


class Replayed(eqx.Module):
    """One unit's share of B replayed states, K agents; a group's is stacked by unit.

    Attributes:
        observation: As networks take it, ``[K, B, O]``, or images.
        available: Which choices were allowed, ``[K, B, A]``, or None.
        alive: Which agents act, ``[K, B]``, or None: an absent agent's slot holds zeros.
        noise: For the action that is climbed through, ``[K, B, W]``.
        fresh: For the action that later units meet, likewise.
        temperature: α.
        slot: The unit's number in its group.
        group: Its group.
        space: What it acts in.
        at_once: How many states networks look at at once; 0 for all.
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
        """The actor's distribution at every state, leaves ``[K, B, …]``."""
        agents, states = self.noise.shape[:2]
        rows = self.observation.reshape(agents * states, 1, *self.observation.shape[2:])
        masks = None if self.available is None else self.available.reshape(agents * states, 1, -1)

        def of(rows, masks, start):
            return actor(rows, None, start, masks)[0]

        distribution = in_parts(of, self.at_once * agents, rows, masks, jnp.zeros((agents * states, 1), bool))
        return jax.tree.map(lambda leaf: leaf.reshape(agents, states, *leaf.shape[2:]), distribution)

    def take(self, index: Int[Array, " P"]) -> "Replayed":
        """Some of the states."""
        rows = (self.observation, self.available, self.alive, self.noise, self.fresh)
        observation, available, alive, noise, fresh = jax.tree.map(lambda leaf: leaf[:, index], rows)
        rest = (self.temperature, self.slot, self.group, self.space, self.at_once)
        return Replayed(observation, available, alive, noise, fresh, *rest)

    def code(self, action: Float[Array, "K B W"]) -> Float[Array, "K B W"]:
        """Actions as the critic takes them."""
        scaled_action = scaled(action, self.space)
        return scaled_action if self.alive is None else jnp.where(self.alive[..., None], scaled_action, 0.0)


class Joint(eqx.Module):
    """The joint action at B states, and what judges it.

    Attributes:
        critic: The networks.
        state: ``[B, S]``.
        codes: For every group its units' actions, ``[units, K, B, W]``.
    """

    critic: tuple[Value, ...]
    state: Float[Array, "B S"]
    codes: tuple[Float[Array, "_units _K B _W"], ...]

    def placed(self, group: int, slot: Int[Array, ""], code: Float[Array, "K B W"]) -> "Joint":
        """With one unit's actions in their slot."""
        codes = (*self.codes[:group], self.codes[group].at[slot].set(code), *self.codes[group + 1 :])
        return Joint(self.critic, self.state, codes)

    def take(self, index: Int[Array, " P"]) -> "Joint":
        """At some of the states."""
        return Joint(self.critic, self.state[index], tuple(code[:, :, index] for code in self.codes))

    @property
    def inputs(self) -> Float[Array, "B I"]:
        """What the critic takes: the state, then all agents' actions."""
        return joined(self.state, self.codes)


def joined(state: Float[Array, "B S"], codes: tuple[Float[Array, "_units _K B _W"], ...]) -> Float[Array, "B I"]:
    """The state, then all agents' actions, row by row."""
    rows = [jnp.moveaxis(code, 2, 0).reshape(code.shape[2], -1) for code in codes]
    return jnp.concatenate([state, *rows], axis=-1)


class Climb(eqx.Module):
    """E[ Q(s, a) − α log π(aⁱ|oⁱ) ] of one unit, the other slots standing still.

    ``weight`` is what each state, and each agent in it, of a part counts in means over the batch.
    """

    share: Replayed
    joint: Joint
    reads: Literal["first", "least"] = eqx.field(static=True)
    weight: tuple[Float[Array, " B"], Float[Array, "K B"]] | tuple[None, None] = (None, None)

    @property
    def size(self) -> int:
        """B."""
        return self.joint.state.shape[0]

    @property
    def at_once(self) -> int:
        """How many states networks look at at once; 0 for all."""
        return self.share.at_once

    def take(self, index: Int[Array, " P"]) -> "Climb":
        """On some of the states."""
        states, agents = self.weight
        weight = (None, None) if states is None or agents is None else (states[index], agents[:, index])
        return Climb(self.share.take(index), self.joint.take(index), self.reads, weight)

    def weighed(self) -> "Climb":
        """The same with each state's share of all."""
        alive, share = self.share.alive, dataclasses.replace(self.share, at_once=0)
        weight = shares((self.size,), None if alive is None else alive.any(0)), shares(share.noise.shape[:2], alive)
        return Climb(share, self.joint, self.reads, weight)

    def __call__(self, actor: Any) -> ObjectiveTerms:
        """All terms, from one evaluation of the policy."""
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
    """E[ Q(s, a_new^{earlier}, μⁱ(oⁱ), a_old^{later}) ]: the deterministic policy gradient, one unit after another.

    Critics bootstrap from target actors' actions, with clipped noise where they are smoothed.

    References: Zhong et al., 2024, arXiv:2304.09870, appendices G and H; Silver et al., 2014, PMLR 32; Fujimoto et al.,
    2018, arXiv:1802.09477 (smoothing).

    Attributes:
        smoothing: σ of the noise on the targets' actions, in units of half of the distance between the bounds.
        smoothing_clip: How far that noise goes at most, in the same units.
        others: What stands in the other units' slots at first: their policies' actions, or the replayed ones (as
            published for MADDPG; Lowe et al., 2017, arXiv:1706.02275).
    """

    smoothing: float = 0.0
    smoothing_clip: float = 0.5
    others: Others = "policy"
    reads: ClassVar[Literal["first", "least"]] = "first"
    target_actors: ClassVar[bool] = True
    temperature: ClassVar[None] = None

    def __post_init__(self) -> None:
        """Refuse what is no scale."""
        require(self.smoothing >= 0, f"--target-noise must not be negative: {self.smoothing}")
        require(self.smoothing_clip >= 0, f"--target-noise-clip must not be negative: {self.smoothing_clip}")

    def objective(self, carry: Joint, actor: Any, experience: Replayed, drift: Drift) -> Climb:
        """The value of the joint action with the unit's own in its slot."""
        return _climb(carry, experience, drift, self.reads)

    def advance(self, carry: Joint, objective: Climb, actor: Any) -> Joint:
        """The joint action with the unit's new one in its slot."""
        return _advance(carry, objective.share, actor)

    def ahead(self, policy: Any, noise: Float[Array, "*B W"]) -> tuple[Float[Array, "*B W"], Float[Array, "*B"]]:
        """The actions from which critics bootstrap, and what takes from their value."""
        if not self.smoothing:
            return policy.relaxed(noise)
        shift = jnp.clip(self.smoothing * noise, -self.smoothing_clip, self.smoothing_clip)
        return policy.moved(shift), jnp.zeros(noise.shape[:-1])


@dataclass(frozen=True, kw_only=True)
class SoftPathwise:
    """E[ Q(s, a_new^{earlier}, aⁱ, a_old^{later}) − αⁱ log πⁱ(aⁱ|oⁱ) ], aⁱ ~ πⁱ, its gradient through the action.

    Critics bootstrap from the present actors' actions, less Σ αⁱ log πⁱ: the return with entropy, whose equilibria are
    quantal responses. Each temperature αⁱ grows while its unit's entropy is below the target.

        target of choices: c · log(how many there are);    of a Box with D entries: −D, in units of half of the
        distances between the bounds.

    References: Liu et al., 2024, arXiv:2306.10715 (HASAC); Haarnoja et al., 2018, arXiv:1812.05905. The reference
    code's target for choices is 0, its critic has a temperature of its own, and it draws log π where −H is known.

    Attributes:
        temperature: How α begins, and how fast it learns.
        target: c, in [0, 1).
        others: As for `Pathwise`.
    """

    temperature: Dual = field(default_factory=Dual)
    target: float = 0.3
    others: Others = "policy"
    reads: ClassVar[Literal["first", "least"]] = "least"
    target_actors: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse an entropy that no policy has."""
        require(0 <= self.target < 1, f"--target-entropy is a share of log|A| in [0, 1), not {self.target}; try 0.3")

    def objective(self, carry: Joint, actor: Any, experience: Replayed, drift: Drift) -> Climb:
        """The value of the joint action with a sample of the unit's own in its slot, and its entropy."""
        return _climb(carry, experience, drift, self.reads)

    def advance(self, carry: Joint, objective: Climb, actor: Any) -> Joint:
        """The joint action with a sample of the unit's new policy in its slot."""
        return _advance(carry, objective.share, actor)

    def ahead(self, policy: Any, noise: Float[Array, "*B W"]) -> tuple[Float[Array, "*B W"], Float[Array, "*B"]]:
        """Samples, and log π of them."""
        return policy.relaxed(noise)

    def wanted(self, share: Replayed) -> Scalar:
        """The entropy that a unit's agents are to have, nats."""
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
        isinstance(drift, ZeroDrift), f"{drift} compares with an old policy, which replayed steps lack: use ZeroDrift"
    )
    return Climb(share, carry, reads)


def _advance(carry: Joint, share: Replayed, actor: Any) -> Joint:
    action, _ = share.policy(actor).relaxed(share.fresh)
    return jax.lax.stop_gradient(carry.placed(share.group, share.slot, share.code(action)))
