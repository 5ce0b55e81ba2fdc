"""Seats: which team acts for which agent in which copy, and from whose steps a learner learns.

A *seat* is the place of one agent in one copy. Several teams (`Player`) can play one game: a `SeatTable` says of every
seat which player acts there, and whether its steps are learnt from. Cross-play, fixed partners, self-play and leagues
are such tables.

Every player chooses for its own seats together, by its own joint policy, as if all other agents were absent. A player
with memory remembers what every agent sees, so that a table may change while episodes are under way; the memories of
the players lie side by side, ``[E, N, H₀ + H₁ + …]``.

Whoever plays a game takes *actors*, for every group one module: a team's own, or those of `seated`. So compiled
rollouts, host rollouts and evaluations play with seats by the same calls.
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
    """A team that can take seats.

    Attributes:
        roster: Its agents, and how they share parameters.
        actors: For every group the stacked actors of its units; they name the team's joint policy.
        memory: Width H of its actors' memory; 0 for none.
    """

    roster: Roster = eqx.field(static=True)
    actors: tuple[Any, ...]
    memory: int = eqx.field(static=True)


class SeatTable(eqx.Module):
    """Who acts in every seat, and which seats are learnt from. One row stands for all copies.

    An agent in a seat that is not learnt from is there: it acts, others see it, and critics that look at the state or
    at actions look at what it does. Only the policy and the critic of that agent's own reward learn nothing from its
    steps. An *absent* agent (`View.alive`) has no part in the game at all.

    Attributes:
        player: Numbers of players, ``[E, n]`` or ``[1, n]``.
        learns: Whether the seat's steps are learnt from, of the same shape.
    """

    player: Int[Any, "E n"]
    learns: Bool[Any, "E n"]

    @classmethod
    def create(cls, player: Any, learns: Any = None) -> "SeatTable":
        """A table from numbers.

        Args:
            player: Who acts, by agent ``[n]`` for all copies alike, or ``[E, n]``.
            learns: Whether it is learnt from, likewise; None where player 0 acts, which is the team that learns.

        Raises:
            RequestError: A number is negative, or a team would learn from what another one did.
        """
        numbers = np.atleast_2d(np.asarray(player, np.int32))
        flags = numbers == 0 if learns is None else np.broadcast_to(np.asarray(learns, bool), numbers.shape)
        require(bool((numbers >= 0).all()), f"players are numbered 0, 1, …, not {int(numbers.min())}")
        require(not bool((flags & (numbers != 0)).any()), "a team learns where it acts itself: in seats of player 0")
        return cls(numbers, np.array(flags))

    def some(self, rows: slice) -> "SeatTable":
        """The table of some copies."""
        if self.player.shape[0] == 1:
            return self
        return SeatTable(self.player[rows], self.learns[rows])


@dataclass(frozen=True)
class SeatedPolicy:
    """The joint policy of several players, each of whom chooses for its own seats (`networks.joint.JointPolicy`).

    Attributes:
        rosters: The players' own.
        memories: Widths of their memories.
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
        """As `JointPolicy.act`: by player the joint action of those in its seats, and all memories side by side."""
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
        """A player's own part of the memories that lie side by side; None without any."""
        first, width = sum(self.memories[:number]), self.memories[number]
        return memory[..., first : first + width] if width else None


class SeatedActors(eqx.Module):
    """The actors of one group, of all players, and who of them acts for each agent.

    Attributes:
        actors: Each player's.
        player: Who acts, ``[E, N]`` or ``[1, N]``.
        joint: How they choose.
    """

    actors: tuple[Any, ...]
    player: Int[Any, "E N"]
    joint: SeatedPolicy = eqx.field(static=True)


class Seating(eqx.Module):
    """Who sits where while a team learns. That team is player 0 of the table; the others stay as they are.

    Attributes:
        others: Players 1, 2, …
        table: Who acts where, and which seats are learnt from.
    """

    others: tuple[Player, ...]
    table: SeatTable

    def __check_init__(self) -> None:
        """Refuse a player that is not there."""
        last = int(np.max(self.table.player))
        require(last <= len(self.others), f"a seat is player {last}'s, and there are players 0 to {len(self.others)}")


def seated(players: tuple[Player, ...], table: SeatTable) -> tuple[SeatedActors, ...]:
    """The actors by which several players play one game, group by group: what rollouts and evaluations take.

    Raises:
        RequestError: The players have unlike agents, or the table has not one column for each agent.
    """
    roster = players[0].roster
    require(all(player.roster.groups == roster.groups for player in players), "all players have the same agents")
    agents, columns = len(roster.names), table.player.shape[1]
    require(columns == agents, f"a seat table has a column for each of the {agents} agents, not {columns}")
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
    """The actors by which a team that learns plays: its own, or with seats those of all players.

    Args:
        seating: Who sits where; None where the team takes all seats.
        roster: The agents.
        actors: For every group the team's own.
        body: Of its networks.
        rows: The copies that are played.
    """
    if seating is None:
        return actors
    return seated((Player(roster, actors, body.memory), *seating.others), seating.table.some(rows))


def remembering(seating: Seating | None, body: NetworkConfig) -> NetworkConfig:
    """A body as wide in memory as all players together, by which games begin."""
    if seating is None:
        return body
    return NetworkConfig(memory=body.memory + sum(player.memory for player in seating.others))


def learnt(seating: Seating | None, trajectory: Trajectory, body: NetworkConfig) -> Trajectory:
    """What a team learns from of a rollout with seats: its own memory is left of it, and which steps count is added."""
    if seating is None:
        return trajectory
    memory = tuple(None if both is None or not body.memory else both[..., : body.memory] for both in trajectory.memory)
    learns = jnp.broadcast_to(seating.table.learns, trajectory.reward.shape)
    return dataclasses.replace(trajectory, memory=memory, learns=learns)


def _chosen(in_seat: Array, chosen: Array, others: Array) -> Array:
    """A group's actions ``[E, N, …]``, a player's in its own seats."""
    return jnp.where(in_seat.reshape(*in_seat.shape, *(1,) * (chosen.ndim - 2)), chosen, others)


def _side_by_side(memories: tuple[Any, ...]) -> Any:
    present = [memory for memory in memories if memory is not None]
    return jnp.concatenate(present, axis=-1) if present else None
