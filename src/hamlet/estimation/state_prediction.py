"""The predictions of a trained critic for single states, outside of training."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hamlet.envs.base import View
from hamlet.errors import RequestError, require
from hamlet.estimation.critic import CriticState, StateValue
from hamlet.estimation.trajectory import Trajectory
from hamlet.roster import Roster


@dataclass(frozen=True)
class StateCritic:
    """A critic that predicts returns from states or from agents' observations.

    Attributes:
        critic: Its declaration.
        networks: Its networks.
        roster: The agents.
        owners: The owners of the values: the team, or each agent.
        state_shape: The shape of its state.
    """

    critic: StateValue
    networks: CriticState
    roster: Roster
    owners: Roster
    state_shape: tuple[int, ...]

    def value(self, state: Any, observation: tuple[Any, ...] | None) -> Any:
        """Return V(s) of the state s, or Vⁱ(oⁱ) of each agent i's observation oⁱ.

        Args:
            state: ``[S]`` or an image; for a batch ``[B, …]``.
            observation: For every group ``[B, N, …]``, for a critic that uses observations.

        Returns:
            A number, or ``[B]`` for a batch. If each agent has its own value, a dictionary by agent.

        Raises:
            RequestError: The critic's input is missing or has the wrong shape, or the critic has memory.
        """
        if any(network.torso.cell is not None for network in self.networks.networks):
            raise RequestError(
                "this run's critic has memory: it predicts values along whole episodes, not of single states"
            )
        batched = True
        if self.critic.sees == "observation":
            require(observation is not None, "this run's critic needs every agent's observation: value(observations=…)")
            assert observation is not None
            copies, state = observation[0].shape[0], np.zeros((observation[0].shape[0], *self.state_shape), np.float32)
        else:
            require(state is not None, f"this run's critic needs the state, {self.state_shape}: value(state)")
            state = np.asarray(state)
            shape = f"the state must have shape {self.state_shape}, or one more leading batch axis, got {state.shape}"
            require(state.shape[-len(self.state_shape) :] == self.state_shape, shape)
            require(state.ndim <= len(self.state_shape) + 1, shape)
            batched = state.ndim > len(self.state_shape)
            state = state.reshape(-1, *self.state_shape)
            copies = state.shape[0]
            observation = tuple(np.zeros((copies, len(group.names), 1), np.float32) for group in self.roster.groups)
        names = self.roster.names
        values = np.asarray(_values(self.critic, self.owners, len(names), self.networks, state, observation))
        if self.critic.credits == "team":
            return values[:, 0] if batched else float(values[0, 0])
        return {name: values[:, k] if batched else float(values[0, k]) for k, name in enumerate(names)}


@partial(jax.jit, static_argnames=("critic", "owners", "agents"))
def _values(
    critic: StateValue, owners: Roster, agents: int, networks: CriticState, state: Any, observation: tuple[Any, ...]
) -> Any:
    """Return the values of B states, ``[B, V]``, computed as a rollout of one step."""
    copies = state.shape[0]
    view = View(tuple(seen[None, None] for seen in observation), state[None, None], (None,) * len(observation), None)
    flags = jnp.zeros((1, 1, copies), bool)
    reward = jnp.zeros((1, 1, copies, agents))
    played = Trajectory(view, ~flags, (), reward, flags, flags, view, (None,) * len(observation))
    return critic.estimate(networks, owners, played, (None,) * len(owners.groups)).value[0, 0]
