"""A trained joint policy for use outside of training: NumPy arrays in and out, agents by their PettingZoo names."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from hamlet.backends.iteration import roster_of
from hamlet.envs.agent_spaces import joins_observations, of_groups, outside
from hamlet.envs.conversion import Broken, SpaceKind, action, mask_row, masked, observed
from hamlet.envs.joint import joined
from hamlet.envs.limits import limited
from hamlet.envs.pettingzoo.description import Agent
from hamlet.errors import RequestError, unknown
from hamlet.estimation.critic import StateValue
from hamlet.estimation.state_prediction import StateCritic
from hamlet.networks.joint import TeamInputs, act, distributions, draw
from hamlet.networks.torso import NetworkConfig, blank
from hamlet.roster import Group, Roster
from hamlet.training.run import SavedRun


class Policy:
    """The policies of all agents, with the recurrent memory of the current episode; `reset` starts the next episode.

    Observations are as the environment returns them, and actions are elements of its action spaces. A Discrete action
    is an int, counted from the space's start. Any other action is an array of the space's shape and dtype; a Box action
    is within the bounds.

    Args:
        roster: The agents.
        actors: For every group of agents, the stacked networks of its units. (A unit is one set of policy parameters,
            of one agent or of all agents that share it.)
        body: The shape of their networks.
        seed: Random seed of stochastic actions.
        agents: The agents' spaces as the environment declares them, by name. None if the networks use the same spaces.
        critic: The critic that predicts returns from states or observations; None if the run has none of this kind.
        joins: Whether the critic's state is the concatenated observations of all agents.
    """

    def __init__(
        self,
        roster: Roster,
        actors: tuple[Any, ...],
        body: NetworkConfig,
        seed: int = 0,
        agents: Mapping[str, Agent] | None = None,
        critic: StateCritic | None = None,
        *,
        joins: bool = False,
    ) -> None:
        self._critic, self._joins = critic, joins
        self.roster = roster
        self.agents = roster.names
        self._actors, self._body = actors, body
        self._spaces = of_groups(roster.groups) if agents is None else agents
        self._key, self._count = jax.random.key(seed), 0
        self.reset()

    def reset(self, ended: Any = None) -> None:
        """Start an episode: clear the memory.

        Args:
            ended: For a batch of environment copies, which copies start an episode, ``[B]`` booleans. None for all
                copies; the next batch may then have another size.

        Raises:
            RequestError: If ``ended`` does not have the batch's size.
        """
        if ended is None:
            self._copies: int | None = None
            self._start, self._memory = np.ones(1, bool), ()
            return
        flags = np.atleast_1d(np.asarray(ended, bool))
        if self._copies is not None and flags.shape != (self._copies,):
            raise RequestError(f"ended has shape {flags.shape}, but the batch has {self._copies} environment copies")
        self._start = self._start | flags

    def act(
        self,
        observations: Mapping[str, Any],
        infos: Mapping[str, Any] | None = None,
        *,
        available: Mapping[str, Any] | None = None,
        deterministic: bool = True,
    ) -> dict[str, Any]:
        """Return the actions of all agents with an observation, for one environment copy or for a batch of copies.

        An action mask may be in three places. The first that exists is used: ``available``, an ``action_mask`` in an
        observation that is a dictionary, an ``action_mask`` in the infos.

        Args:
            observations: By agent, as the environment's reset and step return them, including dictionaries with masks.
                In a batch, every array has a leading axis B. Leave out inactive agents; they get no action.
            infos: By agent, as the environment returns them with the observations. Only ``"action_mask"`` is used.
            available: By agent, which discrete actions are available, ``[A]`` or ``[B, A]``; masks of several
                components are concatenated. It replaces all other masks. An agent that is not in ``available`` keeps
                its other mask.
            deterministic: Whether to return the most probable action (for a continuous action the mean) instead of a
                sample.

        Returns:
            By agent, one action, or an array of B actions for a batch.

        Raises:
            RequestError: If an agent is unknown, an observation is not an element of its space, a mask has the wrong
                shape, or a batch changes its size within an episode.
        """
        obs, copies = self._seen(observations, infos, available)
        count = 1 if copies is None else copies
        chance = None if deterministic else draw(self.roster, jax.random.fold_in(self._key, self._count), count)
        alive = np.broadcast_to([name in observations for name in self.roster.names], (count, len(self.agents)))
        actions, self._memory = _act(self.roster, self._actors, *obs, chance, alive=alive)
        self._start, self._copies, self._count = np.zeros(count, bool), count, self._count + 1
        rows = self._by_agent(actions, batched=copies is not None)
        return {name: action(self._spaces[name].action, rows[name]) for name in observations}

    def distribution(
        self,
        observations: Mapping[str, Any],
        infos: Mapping[str, Any] | None = None,
        *,
        available: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the distribution that `act` would sample each agent's action from, without changing the memory.

        Args:
            observations: See `act`.
            infos: See `act`.
            available: See `act`.

        Returns:
            By agent, a distribution of `hamlet.distributions` with NumPy arrays: `Categorical.log_probs` ``[A]`` for
            discrete actions, ``mean`` and ``log_scale`` ``[D]`` of a `DiagonalNormal`. For a batch, with a leading
            axis. If agents choose together (Q-DPP), each agent's distribution is the one it would use if it chose
            alone.

        Raises:
            RequestError: See `act`.
        """
        (observed, masks, start, memory), copies = self._seen(observations, infos, available)
        policies = _distributions(self.roster, self._actors, TeamInputs(observed, masks, start, memory))
        rows = {}
        for group, policy in zip(self.roster.groups, policies, strict=True):
            arrays = jax.tree.map(np.asarray, policy)
            for place, name in enumerate(group.names):
                own = jax.tree.map(lambda leaf, place=place: leaf[:, place], arrays)
                rows[name] = own if copies is not None else jax.tree.map(lambda leaf: leaf[0], own)
        return {name: rows[name] for name in observations}

    def value(self, state: Any = None, observations: Mapping[str, Any] | None = None) -> Any:
        """Return the discounted return that the critic predicts from this state on, in units of the reward.

        Args:
            state: The critic's input, ``[S]`` or an image, as the environment's ``state()`` returns it; for a batch,
                with a leading axis B. Without it, the concatenated observations of all agents are used, if the critic's
                state consists of these.
            observations: The observations of all agents, for a critic that uses them.

        Returns:
            A number, or ``[B]`` for a batch, for the team. If each agent has its own value, a dictionary by agent.

        Raises:
            RequestError: The critic does not predict values of states, has memory, or needs another input.
        """
        if self._critic is None:
            raise RequestError(
                "this run's critic does not predict values of states; the critics of happo, mappo and ippo do"
            )
        if observations is None:
            return self._critic.value(state, None)
        (arrays, *_), copies = self._seen(observations, None, None)
        if state is None and self._joins:
            state = joined(self.roster.groups, [np.asarray(seen) for seen in arrays])
        values = self._critic.value(state, arrays)
        if copies is not None:
            return values
        return {name: float(rows[0]) for name, rows in values.items()} if isinstance(values, dict) else float(values[0])

    def _seen(
        self, observations: Mapping[str, Any], infos: Mapping[str, Any] | None, available: Mapping[str, Any] | None
    ) -> tuple[tuple[Any, ...], int | None]:
        """Return the actors' inputs (observations, masks, episode starts, memory), and the number of copies."""
        if not isinstance(observations, Mapping):
            agents = ", ".join(self.agents[:3])
            raise RequestError(
                f"observations must be a dictionary by agent ({agents}), got {type(observations).__name__}"
            )
        for name in observations:
            if name not in self.agents:
                raise unknown("agent", name, self.agents)
        try:
            parts = {name: masked(self._spaces[name].observation, name, seen) for name, seen in observations.items()}
            copies = self._batch({name: seen for name, (seen, _) in parts.items()})
            arrays = tuple(self._gather(group, parts, copies) for group in self.roster.groups)
            masks = tuple(
                self._masks(group, parts, infos or {}, available or {}, copies) for group in self.roster.groups
            )
        except Broken as broken:
            raise RequestError(str(broken)) from None
        count = 1 if copies is None else copies
        if not self._memory:
            self._memory = tuple(blank(self._body, count, len(group.names)) for group in self.roster.groups)
        return (arrays, masks, np.broadcast_to(self._start, (count,)), self._memory), copies

    def _by_agent(self, actions: tuple[Any, ...], *, batched: bool) -> dict[str, Any]:
        """Return every agent's action, for one environment copy or for a batch."""
        rows: dict[str, Any] = {}
        for group, values in zip(self.roster.groups, actions, strict=True):
            each = np.moveaxis(np.asarray(values), 1, 0) if batched else np.asarray(values)[0]
            rows |= dict(zip(group.names, each, strict=True))
        return rows

    def _batch(self, observations: Mapping[str, Any]) -> int | None:
        """Return the number of environment copies in the observations; None for one copy without a batch axis."""
        sizes = {name: _copies(self._spaces[name].observation, obs) for name, obs in observations.items()}
        if len(set(sizes.values())) > 1:
            size_list = ", ".join(f"{name} {'one' if size is None else size}" for name, size in sizes.items())
            raise RequestError(f"all agents must have the same number of environment copies, got {size_list}")
        size = next(iter(sizes.values()), None)
        count = 1 if size is None else size
        if self._copies not in (None, count) or self._start.shape not in ((1,), (count,)):
            before = self._copies or len(self._start)
            raise RequestError(
                f"got {count} environment copies, but the episode started with {before}; call reset() to start another"
            )
        return size

    def _gather(self, group: Group, parts: Mapping[str, tuple[Any, Any]], copies: int | None) -> np.ndarray:
        """Return the observations of a group's agents, ``[B, N, …]``; zeros for inactive agents."""
        rows = []
        for name in group.names:
            kind = self._spaces[name].observation
            row = np.zeros((copies or 1, *kind.inner_shape), kind.inner_dtype)
            if name in parts:
                obs = limited(kind, observed(kind, name, parts[name][0], lead=copies is not None))
                row = obs if copies is not None else obs[None]
            rows.append(row)
        return np.stack(rows, axis=1)

    def _masks(
        self,
        group: Group,
        parts: Mapping[str, tuple[Any, Any]],
        infos: Mapping[str, Any],
        available: Mapping[str, Any],
        copies: int | None,
    ) -> np.ndarray | None:
        """Return the action masks of a group's agents, ``[B, N, A]``; None if no mask was given."""
        rows = [self._mask(name, parts, infos, available, copies is not None) for name in group.names]
        if all(row is None for row in rows) or not self._spaces[group.names[0]].action.sizes:
            return None
        shape = (copies or 1, group.action.width)
        return np.stack([np.broadcast_to(True if row is None else row, shape) for row in rows], axis=1)

    def _mask(
        self,
        name: str,
        parts: Mapping[str, tuple[Any, Any]],
        infos: Mapping[str, Any],
        available: Mapping[str, Any],
        batched: bool,
    ) -> np.ndarray | None:
        """Return an agent's action mask from the first source that has one."""
        if name not in parts:
            return None
        mask = available.get(name)
        if mask is None:
            mask = parts[name][1]
        if mask is None:
            mask = (infos.get(name) or {}).get("action_mask")
        return None if mask is None else mask_row(self._spaces[name].action, name, mask, batched)


def _copies(kind: SpaceKind, seen: Any) -> int | None:
    """Return the number of environment copies in an observation, from its leading axis; None if it has no such axis."""
    path, leaf = next(kind.leaves())
    try:
        for key in path:
            seen = seen[key]
        shape = np.shape(seen)
    except (KeyError, IndexError, TypeError, ValueError):
        return None  # a later check raises an error that names the agent and the missing part
    return shape[0] if len(shape) == len(leaf.shape) + 1 else None


_act = jax.jit(act, static_argnames="roster")
_distributions = jax.jit(lambda roster, actors, seen: distributions(roster, actors, seen)[0], static_argnames="roster")


def load_policy(run: SavedRun, *, best: bool = False, seed: int = 0) -> Policy:
    """Return the joint policy of a run; see `hamlet.load_policy`."""
    algorithm, env = run.declaration
    roster, actors = roster_of(algorithm, env), run.actors(best=best)[0]
    critic = None
    if isinstance(algorithm.critic, StateValue):
        owners = algorithm.critic.roster(roster, env.state_shape)
        networks = run.training().learner.critic
        critic = StateCritic(algorithm.critic, networks, roster, owners, env.state_shape)
    return Policy(roster, actors, algorithm.body, seed, outside(env), critic, joins=joins_observations(env))
