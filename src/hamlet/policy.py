"""A trained joint policy for use after training, with NumPy inputs and outputs and PettingZoo's agent names."""

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
    """The policies of all agents of a trained team. `hamlet.load_policy` makes one.

    Observations have the form in which the environment returns them. Actions have the form that the environment's
    spaces require: for a Discrete space an int, counted from the space's start; for any other space an array with the
    space's shape and type. An action in a Box is within its bounds.

    The object stores the memory of recurrent policies within an episode. Call `reset` at the start of every episode.

    One call can also serve a batch of B parallel copies of the environment: then every array has a leading axis of
    length B.

    Args:
        roster: The agents.
        actors: For each group of agents, the stacked networks of its units. A unit is one set of policy parameters, of
            one agent or of all agents that share it.
        body: The configuration of the networks.
        seed: The seed of sampled actions.
        agents: The agents' spaces in the environment, by name; None if they equal the spaces of the networks.
        critic: The critic that predicts returns from states; None if the run has no critic of this kind.
        joins: Whether the critic's state is the concatenation of all agents' observations.

    Examples:
        >>> policy = hamlet.load_policy("runs/a")  # doctest: +SKIP
        >>> observations, infos = env.reset()  # doctest: +SKIP
        >>> policy.reset()  # doctest: +SKIP
        >>> while env.agents:  # doctest: +SKIP
        ...     actions = policy.act({agent: observations[agent] for agent in env.agents}, infos)
        ...     observations, rewards, terminations, truncations, infos = env.step(actions)
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
        """Start a new episode: clear the memory of the policies.

        Args:
            ended: For a batch, a boolean array ``[B]`` that is True for the copies in which an episode starts. None for
                all copies; after this, the next batch may have another size.

        Raises:
            RequestError: ``ended`` does not have the size of the batch.
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
        """Return the actions of the agents for their observations, for one environment or for a batch of B copies.

        An agent's action mask comes from the first of these sources that has one: ``available``; the observation, if it
        is a dictionary with an ``"action_mask"``; ``infos``.

        Args:
            observations: The observations by agent, as the environment's ``reset`` and ``step`` return them. They may
                be dictionaries with action masks. In a batch, every array has a leading axis B. Leave out agents that
                are not in the episode; the result leaves them out as well.
            infos: The infos by agent, as the environment returns them. Only their ``"action_mask"`` is used.
            available: Action masks by agent, boolean, ``[A]`` or ``[B, A]`` for A discrete actions. For a MultiDiscrete
                space, the masks of its components are concatenated. An agent without an entry uses its other mask.
            deterministic: Whether to return the most probable action (for continuous actions the mean), instead of a
                sampled action.

        Returns:
            The actions by agent. Each is one action, or in a batch an array of B actions.

        Raises:
            RequestError: An agent is unknown; an observation is not in its space; a mask has the wrong shape; or the
                size of the batch changes within an episode.
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
        """Return the distribution from which `act` would sample each agent's action now.

        The memory of recurrent policies does not change.

        Args:
            observations: The observations by agent, as for `act`.
            infos: The infos by agent, as for `act`.
            available: The action masks by agent, as for `act`.

        Returns:
            The distributions by agent, from `hamlet.distributions`, with NumPy arrays. A `Categorical` has
            ``log_probs`` ``[A]`` of A discrete actions; a `DiagonalNormal` has ``mean`` and ``log_scale`` ``[D]`` of a
            D-dimensional action. In a batch, the arrays have a leading axis B. If agents choose their actions jointly
            (Q-DPP), the result contains each agent's distribution without the influence of the other agents.

        Raises:
            RequestError: The arguments are wrong, as for `act`.
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
        """Return the critic's prediction of the discounted return from the current state, in units of reward.

        Args:
            state: The state, ``[S]`` or an image, as the environment's ``state()`` returns it; in a batch with a
                leading axis B. It may be left out if the critic's state is the concatenation of all observations.
            observations: The observations of all agents, for a critic that uses them.

        Returns:
            The value of the team, a number or ``[B]``; if every agent has its own value, a dictionary of the values by
            agent.

        Raises:
            RequestError: The critic does not predict values of states; the critic is recurrent; or it uses another
                input than the one that was given.
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
        """Return the actors' inputs (observations, masks, episode starts, memory) and the number of copies."""
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
        """Return the actions by agent, of one copy or of a batch."""
        rows: dict[str, Any] = {}
        for group, values in zip(self.roster.groups, actions, strict=True):
            each = np.moveaxis(np.asarray(values), 1, 0) if batched else np.asarray(values)[0]
            rows |= dict(zip(group.names, each, strict=True))
        return rows

    def _batch(self, observations: Mapping[str, Any]) -> int | None:
        """Return the number of copies in the observations; None for one copy without a batch axis."""
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
        """Return the observations of a group's agents, ``[B, N, …]``; zeros for agents that are not in the episode."""
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
        """Return the action masks of a group's agents, ``[B, N, A]``; None if no agent has a mask."""
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
        """Return an agent's action mask from the first source that has one; None if none has."""
        if name not in parts:
            return None
        mask = available.get(name)
        if mask is None:
            mask = parts[name][1]
        if mask is None:
            mask = (infos.get(name) or {}).get("action_mask")
        return None if mask is None else mask_row(self._spaces[name].action, name, mask, batched)


def _copies(kind: SpaceKind, seen: Any) -> int | None:
    """Return the length of an observation's batch axis; None if it has no batch axis."""
    path, leaf = next(kind.leaves())
    try:
        for key in path:
            seen = seen[key]
        shape = np.shape(seen)
    except (KeyError, IndexError, TypeError, ValueError):
        return None  # a later check reports the malformed observation, with the agent's name
    return shape[0] if len(shape) == len(leaf.shape) + 1 else None


_act = jax.jit(act, static_argnames="roster")
_distributions = jax.jit(lambda roster, actors, seen: distributions(roster, actors, seen)[0], static_argnames="roster")


def load_policy(run: SavedRun, *, best: bool = False, seed: int = 0) -> Policy:
    """Load the joint policy of a run, for `hamlet.load_policy`."""
    algorithm, env = run.declaration
    roster, actors = roster_of(algorithm, env), run.actors(best=best)[0]
    critic = None
    if isinstance(algorithm.critic, StateValue):
        owners = algorithm.critic.roster(roster, env.state_shape)
        networks = run.training().learner.critic
        critic = StateCritic(algorithm.critic, networks, roster, owners, env.state_shape)
    return Policy(roster, actors, algorithm.body, seed, outside(env), critic, joins=joins_observations(env))
