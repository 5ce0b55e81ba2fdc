"""The inputs of a critic of alternative actions: all information, with an open slot for the agent's own action."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from hamlet.envs.base import View
from hamlet.networks.actors import coded
from hamlet.networks.torso import encode
from hamlet.roster import Roster
from hamlet.spaces import Box, Discrete, Space


@dataclass(frozen=True)
class SlotInputs:
    """The inputs of a group's network, with the agents' own actions kept separate.

    Attributes:
        rest: State, observation, the joint action with an empty slot for the own action, and the agent's index
            (one-hot), ``[C, L, E, N, I]``.
        own: The agents' own actions.
        alive: Which agents are active, ``[C, L, E, N]``, or None.
        place: The position of an agent's action among the inputs, ``[N, W, I]``.
        space: The action space.
    """

    rest: Array
    own: Array
    alive: Bool[Array, "C L E N"] | None
    place: np.ndarray
    space: Space

    def filled(self) -> Array:
        """Return the inputs with the own slot filled.

        For discrete actions it stays empty, because the network has one output per action.
        """
        if isinstance(self.space, Discrete):
            return self.rest
        code = _present(_code(self.own, self.space, self.rest.ndim - 1), self.alive)
        return self.rest + jnp.einsum("clenw,nwi->cleni", code, self.place)


def seen(roster: Roster, group: int, view: View, actions: list[Array]) -> SlotInputs:
    """Return the inputs of a group's network for a rollout with these actions, for every group ``[C, L, E, N, …]``."""
    spaces, names = roster.groups[group], roster.groups[group].names
    alive = [None] * len(roster.groups) if view.alive is None else list(roster.split(view.alive))
    codes = [
        _present(_code(action, each.action, 4), living)
        for each, action, living in zip(roster.groups, actions, alive, strict=True)
    ]
    joint = jnp.concatenate([code.reshape(*code.shape[:3], -1) for code in codes], -1)
    first = sum(len(each.names) * each.action.width for each in roster.groups[:group])
    slots = first + np.arange(len(names) * spaces.action.width).reshape(len(names), -1)
    others = np.ones((len(names), joint.shape[-1]), np.float32)
    np.put_along_axis(others, slots, 0.0, 1)

    def spread(x):
        return jnp.broadcast_to(x[..., None, :], (*x.shape[:3], len(names), x.shape[-1]))

    state = encode(view.state, _row(view.state))
    own_view = _present(encode(view.observation[group], spaces.observation), alive[group])
    who = jnp.broadcast_to(jnp.eye(len(names)), (*joint.shape[:3], len(names), len(names)))
    parts = [spread(state), own_view, spread(joint) * jnp.asarray(others)[None, None, None], who]
    offset, inputs = state.shape[-1] + own_view.shape[-1], sum(part.shape[-1] for part in parts)
    place = np.zeros((*slots.shape, inputs), np.float32)
    np.put_along_axis(place, (offset + slots)[..., None], 1.0, 2)
    return SlotInputs(jnp.concatenate(parts, -1), actions[group], alive[group], place, spaces.action)


def _row(state: Array) -> Box:
    return Box(-float("inf"), float("inf"), state.shape[-1:])


def _present(code: Float[Array, "*B W"], alive: Bool[Array, "*B"] | None) -> Float[Array, "*B W"]:
    """Return the codes with zeros for inactive agents, whose observations and actions are arbitrary."""
    return code if alive is None else jnp.where(alive[..., None], code, 0.0)


def _code(action: Array, space: Space, lead: int) -> Array:
    """Encode actions as rows of numbers.

    Discrete actions become one-hot. Entries of a Box are clipped to its bounds, and scaled to [−1, 1] if they have two.
    """
    if not isinstance(space, Box):
        return coded(action, space)
    flat = action.reshape(*action.shape[:lead], -1)
    low, high = (bound.reshape((1,) * lead + (-1,)) for bound in space.bounds)
    bounded = np.isfinite(low) & np.isfinite(high)
    middle, half = np.where(bounded, (low + high) / 2, 0.0), np.where(bounded, (high - low) / 2, 1.0)
    return ((jnp.clip(flat, low, high) - middle) / half).astype(jnp.float32)
