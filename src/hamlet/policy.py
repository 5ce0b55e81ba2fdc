"""A trained joint policy outside of training: numpy in, numpy out, agents by their PettingZoo names."""

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
    """Every agent's policy; the memory of an episode is kept inside, and `reset` begins the next.

    Observations are what the environment gives, and actions what its spaces want: an int for Discrete, counted from the
    space's start; an array for the others, of the space's shape and type, a Box's within its bounds.

    Args:
        roster: The agents.
        actors: For every group, the stacked networks of its units.
        body: Of their networks.
        seed: From which stochastic actions are drawn.
        agents: Their spaces as the environment has them, by name; None where it has those that networks take.
        critic: What predicts returns from states; None where the run has none of the kind.
        joins: Whether the critic's state is the observations of all agents joined.
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
        """Begin an episode: memory is cleared.

        Args:
            ended: Of a batch of copies, those that begin an episode, ``[B]`` booleans; None for all, after which a
                batch may have another size.

        Raises:
            RequestError: If ``ended`` is not of the batch's size.
        """
        if ended is None:
            self._copies: int | None = None
            self._start, self._memory = np.ones(1, bool), ()
            return
        flags = np.atleast_1d(np.asarray(ended, bool))
        if self._copies is not None and flags.shape != (self._copies,):
            raise RequestError(f"ended has shape {flags.shape}, and the batch has {self._copies} copies")
        self._start = self._start | flags

    def act(
        self,
        observations: Mapping[str, Any],
        infos: Mapping[str, Any] | None = None,
        *,
        available: Mapping[str, Any] | None = None,
        deterministic: bool = True,
    ) -> dict[str, Any]:
        """The actions of the agents that observe something, of one copy of the environment or of a batch of copies.

        A mask of actions is taken, in this order, from ``available``, from an observation that is a dictionary with an
        ``action_mask``, and from the infos.

        Args:
            observations: By agent, as the environment's reset and step give them, dictionaries with masks included; of
                a batch, every array with a leading axis B. An absent agent is left out, and so it is of the answer.
            infos: By agent, as they stand beside the observations; of them ``"action_mask"`` is used.
            available: By agent, which discrete choices are allowed, ``[A]`` or ``[B, A]``, those of several components
                joined; it goes before any other mask. An agent that it leaves out keeps the mask that it has.
            deterministic: The likeliest action (of a continuous one the mean) rather than a sample.

        Returns:
            By agent, one action, or of a batch an array of B.

        Raises:
            RequestError: If an agent is unknown, an observation is no element of its space, a mask does not fit, or a
                batch changes its size within an episode.
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
        """What each agent's action is drawn from, as `act` would draw it now; the episode's memory stays where it is.

        Args:
            observations: As for `act`.
            infos: As for `act`.
            available: As for `act`.

        Returns:
            By agent, a distribution of `hamlet.distributions` whose arrays are NumPy's: `Categorical.log_probs` ``[A]``
            of choices, ``mean`` and ``log_scale`` ``[D]`` of a `DiagonalNormal`; of a batch with a leading axis. Where
            agents choose together (Q-DPP), each agent's own, as if it chose alone.

        Raises:
            RequestError: As for `act`.
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
        """The return that the critic predicts from here, discounted, in units of reward.

        Args:
            state: What the critic sees, ``[S]`` or an image, as the environment's ``state()`` gives it; of a batch with
                a leading axis B. Without it, the observations of all agents joined, where the critic sees these.
            observations: Of every agent, for a critic that sees them.

        Returns:
            A number, or ``[B]``: of the team; or by agent, where each has a value of its own.

        Raises:
            RequestError: The critic predicts no values of states, remembers, or sees something else.
        """
        if self._critic is None:
            raise RequestError("this run's critic predicts no values of states; those of happo, mappo and ippo do")
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
        """What actors take: observations, masks, where episodes begin, and memory; and of how many copies."""
        if not isinstance(observations, Mapping):
            agents = ", ".join(self.agents[:3])
            raise RequestError(f"observations are a dictionary by agent ({agents}), not {type(observations).__name__}")
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
        """Every agent's action, of one copy or of a batch."""
        rows: dict[str, Any] = {}
        for group, values in zip(self.roster.groups, actions, strict=True):
            each = np.moveaxis(np.asarray(values), 1, 0) if batched else np.asarray(values)[0]
            rows |= dict(zip(group.names, each, strict=True))
        return rows

    def _batch(self, observations: Mapping[str, Any]) -> int | None:
        """How many copies are seen; None where it is one, without an axis for them."""
        sizes = {name: _copies(self._spaces[name].observation, obs) for name, obs in observations.items()}
        if len(set(sizes.values())) > 1:
            size_list = ", ".join(f"{name} {'one' if size is None else size}" for name, size in sizes.items())
            raise RequestError(f"all agents observe as many copies, not unlike numbers of them: {size_list}")
        size = next(iter(sizes.values()), None)
        count = 1 if size is None else size
        if self._copies not in (None, count) or self._start.shape not in ((1,), (count,)):
            before = self._copies or len(self._start)
            raise RequestError(f"there are {count} copies, and the episode began with {before}; reset() begins another")
        return size

    def _gather(self, group: Group, parts: Mapping[str, tuple[Any, Any]], copies: int | None) -> np.ndarray:
        """What a group's agents see, ``[B, N, …]``; of the absent, zeros."""
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
        """Which choices a group's agents have, ``[B, N, A]``; None where nobody says."""
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
        """Which choices an agent has, by the first who says."""
        if name not in parts:
            return None
        mask = available.get(name)
        if mask is None:
            mask = parts[name][1]
        if mask is None:
            mask = (infos.get(name) or {}).get("action_mask")
        return None if mask is None else mask_row(self._spaces[name].action, name, mask, batched)


def _copies(kind: SpaceKind, seen: Any) -> int | None:
    """How many copies an observation is of, by the axes before those of its space; None where there is no such axis."""
    path, leaf = next(kind.leaves())
    try:
        for key in path:
            seen = seen[key]
        shape = np.shape(seen)
    except (KeyError, IndexError, TypeError, ValueError):
        return None  # it is told with the agent, and what it lacks
    return shape[0] if len(shape) == len(leaf.shape) + 1 else None


_act = jax.jit(act, static_argnames="roster")
_distributions = jax.jit(lambda roster, actors, seen: distributions(roster, actors, seen)[0], static_argnames="roster")


def load_policy(run: SavedRun, *, best: bool = False, seed: int = 0) -> Policy:
    """The joint policy of a run, as `hamlet.load_policy` gives it."""
    algorithm, env = run.declaration
    roster, actors = roster_of(algorithm, env), run.actors(best=best)[0]
    critic = None
    if isinstance(algorithm.critic, StateValue):
        owners = algorithm.critic.roster(roster, env.state_shape)
        networks = run.training().learner.critic
        critic = StateCritic(algorithm.critic, networks, roster, owners, env.state_shape)
    return Policy(roster, actors, algorithm.body, seed, outside(env), critic, joins=joins_observations(env))
