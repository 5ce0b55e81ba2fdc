"""What a critic of an agent's alternatives sees: everything, with the agent's own slot in the joint action open."""

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
    """What a group's network sees, but for the agents' own actions.

    Attributes:
        rest: State, view, the others' actions with the own slot empty, and which agent, ``[C, L, E, N, I]``.
        own: The agents' own actions.
        alive: Which agents act, ``[C, L, E, N]``, or None.
        place: Where an agent's action stands among the inputs, ``[N, W, I]``.
        space: Of the actions.
    """

    rest: Array
    own: Array
    alive: Bool[Array, "C L E N"] | None
    place: np.ndarray
    space: Space

    def filled(self) -> Array:
        """The inputs, the own slot filled where it is not the outputs that stand for it."""
        if isinstance(self.space, Discrete):
            return self.rest
        code = _present(_code(self.own, self.space, self.rest.ndim - 1), self.alive)
        return self.rest + jnp.einsum("clenw,nwi->cleni", code, self.place)


def seen(roster: Roster, group: int, view: View, actions: list[Array]) -> SlotInputs:
    """What a group's network sees of a rollout in which so was acted, every group ``[C, L, E, N, …]``."""
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
    """Zeros in the place of an absent agent's view and action, which are junk."""
    return code if alive is None else jnp.where(alive[..., None], code, 0.0)


def _code(action: Array, space: Space, lead: int) -> Array:
    """Actions as a row of numbers: choices one-hot, a Box's entries clipped, those with two bounds from −1 to 1."""
    if not isinstance(space, Box):
        return coded(action, space)
    flat = action.reshape(*action.shape[:lead], -1)
    low, high = (bound.reshape((1,) * lead + (-1,)) for bound in space.bounds)
    bounded = np.isfinite(low) & np.isfinite(high)
    middle, half = np.where(bounded, (low + high) / 2, 0.0), np.where(bounded, (high - low) / 2, 1.0)
    return ((jnp.clip(flat, low, high) - middle) / half).astype(jnp.float32)
