"""Seats: which team acts for which agent in which environment copy, and which steps are used for training.

A *seat* is the place of one agent in one environment copy. Several teams (`Player`) can play together. A `SeatTable`
states for every seat which player acts there, and whether the seat's steps are used for training. Cross-play, fixed
partners, self-play and leagues are seat tables.

Each player chooses the actions of all its seats with its own joint policy, as if all other agents were not in the
episode. A player with memory updates its memory with the observations of all agents, so the table may change during an
episode. The memories of the players are concatenated, ``[E, N, H₀ + H₁ + …]``: E copies, N agents of a group, and Hₖ
the memory width of player k.

Rollouts and evaluations receive *actors*, one module per group: a single team's actors, or the result of `seated`. So
compiled rollouts, host rollouts and evaluations use seats through the same calls.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from hamlet.errors import require
from hamlet.estimation.trajectory import Trajectory
from hamlet.networks.joint import Chance, TeamInputs, named_by
from hamlet.networks.torso import NetworkConfig
from hamlet.roster import Roster


class Player(eqx.Module):
    """A team that can act in seats.

    Attributes:
        roster: The team's agents, and how they share parameters.
        actors: For every group the stacked actors of its units (a unit is one set of policy parameters). The actors
            determine the team's joint policy.
        memory: Width H of the actors' memory; 0 for actors without memory.
    """

    roster: Roster = eqx.field(static=True)
    actors: tuple[Any, ...]
    memory: int = eqx.field(static=True)


class SeatTable(eqx.Module):
    """The player of every seat, and which seats are used for training. A single row applies to all copies.

    An agent in a seat that is not used for training is still in the episode: it acts, other agents observe it, and
    critics that receive the state or the actions receive its part too. Only that agent's policy, and the critic of
    that agent's reward, are not trained on its steps. An inactive agent (`View.alive` is False) is not in the episode
    at all.

    Attributes:
        player: The number of the player in each seat, ``[E, n]`` or ``[1, n]``.
        learns: True if the seat's steps are used for training; same shape.
    """

    player: Int[Any, "E n"]
    learns: Bool[Any, "E n"]

    @classmethod
    def create(cls, player: Any, learns: Any = None) -> "SeatTable":
        """Create a table from player numbers.

        Args:
            player: The number of the player that acts: per agent ``[n]`` for all copies, or ``[E, n]``.
            learns: Whether the seat's steps are used for training, in the same shape. None for True exactly where
                player 0 acts: player 0 is the team that is trained.

        Raises:
            RequestError: A number is negative, or a seat of another player than 0 is marked for training.
        """
        numbers = np.atleast_2d(np.asarray(player, np.int32))
        flags = numbers == 0 if learns is None else np.broadcast_to(np.asarray(learns, bool), numbers.shape)
        require(bool((numbers >= 0).all()), f"player numbers must be 0, 1, …, got {int(numbers.min())}")
        require(not bool((flags & (numbers != 0)).any()), "learns may be True only in seats of player 0")
        return cls(numbers, np.array(flags))

    def some(self, rows: slice) -> "SeatTable":
        """Return the table of some copies."""
        if self.player.shape[0] == 1:
            return self
        return SeatTable(self.player[rows], self.learns[rows])


@dataclass(frozen=True)
class SeatedPolicy:
    """The joint policy of several players; each player acts in its own seats (`networks.joint.JointPolicy`).

    Attributes:
        rosters: The rosters of the players.
        memories: The memory widths of the players.
    """

    rosters: tuple[Roster, ...]
    memories: tuple[int, ...]

    def act(
        self,
        roster: Roster,
        actors: "tuple[SeatedActors, ...]",
        seen: TeamInputs,
        chance: Chance | None,
        alive: Bool[Array, "E n"] | None,
    ) -> tuple[tuple[Array, ...], tuple[Any, ...]]:
        """Return each seat's action, chosen by the seat's player, and the concatenated memories of all players.

        See `JointPolicy.act` for the arguments.
        """
        table = [group.player for group in actors]
        shape = (seen.start.shape[0], len(roster.names))
        there = jnp.ones(shape, bool) if alive is None else alive
        actions: tuple[Array, ...] = ()
        memories: list[tuple[Any, ...]] = []
        for number, own_roster in enumerate(self.rosters):
            team = tuple(group.actors[number] for group in actors)
            memory = tuple(self._part(number, both) for both in seen.memory)
            in_seat = jnp.broadcast_to(jnp.concatenate(table, axis=1) == number, shape)
            chosen, after = named_by(team).act(own_roster, team, seen._replace(memory=memory), chance, there & in_seat)
            actions = tuple(map(_chosen, roster.split(in_seat), chosen, actions)) if actions else chosen
            memories.append(after)
        return actions, tuple(_side_by_side(parts) for parts in zip(*memories, strict=True))

    def _part(self, number: int, memory: Any) -> Any:
        """Return one player's part of the concatenated memories; None for a player without memory."""
        first, width = sum(self.memories[:number]), self.memories[number]
        return memory[..., first : first + width] if width else None


class SeatedActors(eqx.Module):
    """The actors of all players for one group, and the player that acts for each agent.

    Attributes:
        actors: The actors of each player.
        player: The number of the player that acts, ``[E, N]`` or ``[1, N]``.
        joint: The joint policy of the players.
    """

    actors: tuple[Any, ...]
    player: Int[Any, "E N"]
    joint: SeatedPolicy = eqx.field(static=True)


class Seating(eqx.Module):
    """The seats during training: player 0 of the table is trained, all other players keep their parameters.

    Attributes:
        others: Players 1, 2, …
        table: The player of every seat, and which seats are used for training.
    """

    others: tuple[Player, ...]
    table: SeatTable

    def __check_init__(self) -> None:
        """Check that every player in the table exists."""
        last = int(np.max(self.table.player))
        require(
            last <= len(self.others),
            f"the seat table contains player {last}, but there are only players 0 to {len(self.others)}",
        )


def seated(players: tuple[Player, ...], table: SeatTable) -> tuple[SeatedActors, ...]:
    """Return the actors with which several players play together, one per group, for rollouts and evaluations.

    Raises:
        RequestError: The players do not have the same agents, or the table does not have one column per agent.
    """
    roster = players[0].roster
    require(all(player.roster.groups == roster.groups for player in players), "all players must have the same agents")
    agents, columns = len(roster.names), table.player.shape[1]
    require(columns == agents, f"a seat table must have one column per agent: {agents} columns, got {columns}")
    joint = SeatedPolicy(tuple(player.roster for player in players), tuple(player.memory for player in players))
    cuts = np.cumsum([len(group.names) for group in roster.groups])
    return tuple(
        SeatedActors(
            tuple(player.actors[g] for player in players), table.player[:, end - len(group.names) : end], joint
        )
        for g, (group, end) in enumerate(zip(roster.groups, cuts.tolist(), strict=True))
    )


def acting(
    seating: Seating | None, roster: Roster, actors: tuple[Any, ...], body: NetworkConfig, rows: slice = slice(None)
) -> tuple[Any, ...]:
    """Return the actors for a training rollout: the team's own actors, or with seats the actors of all players.

    Args:
        seating: The seats; None if the team acts in all seats.
        roster: The agents.
        actors: For every group the team's own actors.
        body: The configuration of the team's networks.
        rows: The environment copies of the rollout.
    """
    if seating is None:
        return actors
    return seated((Player(roster, actors, body.memory), *seating.others), seating.table.some(rows))


def remembering(seating: Seating | None, body: NetworkConfig) -> NetworkConfig:
    """Return a network configuration with the memory width of all players together, to create the initial memory."""
    if seating is None:
        return body
    return NetworkConfig(memory=body.memory + sum(player.memory for player in seating.others))


def learnt(seating: Seating | None, trajectory: Trajectory, body: NetworkConfig) -> Trajectory:
    """Return the training data of a rollout with seats: only the team's own memory, and a mask of the steps to use."""
    if seating is None:
        return trajectory
    memory = tuple(None if both is None or not body.memory else both[..., : body.memory] for both in trajectory.memory)
    learns = jnp.broadcast_to(seating.table.learns, trajectory.reward.shape)
    return dataclasses.replace(trajectory, memory=memory, learns=learns)


def _chosen(in_seat: Array, chosen: Array, others: Array) -> Array:
    """Return a group's actions ``[E, N, …]``: ``chosen`` in the player's own seats, ``others`` elsewhere."""
    return jnp.where(in_seat.reshape(*in_seat.shape, *(1,) * (chosen.ndim - 2)), chosen, others)


def _side_by_side(memories: tuple[Any, ...]) -> Any:
    present = [memory for memory in memories if memory is not None]
    return jnp.concatenate(present, axis=-1) if present else None
