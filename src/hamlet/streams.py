"""The reward of an environment's steps, and further quantities (streams) that an environment declares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from hamlet.errors import require

__all__ = ["REWARD", "Stream", "check_paid", "declared_streams", "learning_reward", "reported"]

Owner: TypeAlias = Literal["agent", "team"]
PredictedBy: TypeAlias = Literal["reward", "own"]


@dataclass(frozen=True)
class Stream:
    """A number that every step pays to each agent or to the team, in the environment's own unit.

    Attributes:
        name: An identifier; step results, metrics and algorithms use it.
        owner: "agent": a step pays each agent its own number, ``[n]``; "team": one number for all agents, ``[1]``.
        critic: Which critic predicts its values. "reward": the algorithm's critic, so that agents learn from this
            stream instead of the reward. "own": a separate critic for this stream, if the algorithm has one, for
            example for a cost with a limit. None: no critic.
        reported: Whether metrics and evaluations report its sum over an episode.
        meaning: A sentence that explains it.
        unit: The unit of the number.
    """

    name: str
    owner: Owner = "agent"
    critic: PredictedBy | None = None
    reported: bool = True
    meaning: str = ""
    unit: str = ""

    def __post_init__(self) -> None:
        """Refuse names that are no identifiers, unknown owners and critics, and a team stream as the reward."""
        require(
            self.name.isidentifier(), f"a stream's name must be an identifier, such as collisions, got {self.name!r}"
        )
        require(
            self.owner in get_args(Owner), f"the owner of {self.name} must be 'agent' or 'team', got {self.owner!r}"
        )
        require(
            self.critic in (None, *get_args(PredictedBy)),
            f"the critic of {self.name} must be 'reward', 'own' or None, got {self.critic!r}",
        )
        require(
            self.critic != "reward" or self.owner == "agent",
            f"agents learn from {self.name} instead of the reward, so each agent needs its own number: owner='agent'",
        )

    def owners(self, agents: int) -> int:
        """Return how many numbers a step pays: one for each of ``agents``, or one for the team."""
        return agents if self.owner == "agent" else 1

    def describe(self) -> str:
        """Return a description in one line.

        >>> Stream("collisions", critic="own", meaning="agents that it touches", unit="contacts").describe()
        'collisions, to each agent, in contacts: agents that it touches'
        """
        whom = "to each agent" if self.owner == "agent" else "to the team"
        unit = f", in {self.unit}" if self.unit else ""
        meaning = f": {self.meaning}" if self.meaning else ""
        return f"{self.name}, {whom}{unit}{meaning}"


REWARD = Stream("reward", critic="reward", meaning="the number that agents learn to increase")
"""The stream that every environment pays; its sum over an episode is the return."""


def declared_streams(env: Any) -> tuple[Stream, ...]:
    """Return the streams besides the reward that an environment declares in its attribute ``streams``.

    Raises:
        RequestError: Two streams have the same name, a stream is called reward, or agents are to learn from two
            streams.

    >>> declared_streams(object())
    ()
    """
    streams: tuple[Stream, ...] = tuple(getattr(env, "streams", ()))
    names = [stream.name for stream in (REWARD, *streams)]
    twice = sorted({name for name in names if names.count(name) > 1})
    require(not twice, f"an environment pays two streams named {', '.join(twice)}: give each its own name")
    learnt = [stream.name for stream in streams if stream.critic == "reward"]
    require(len(learnt) < 2, f"agents can learn from one stream instead of the reward, not from {' and '.join(learnt)}")
    return streams


def check_paid(streams: Sequence[Stream], reward: Any, paid: Mapping[str, Any]) -> None:
    """Refuse a step that does not pay the declared streams.

    Args:
        streams: The declared streams.
        reward: ``[*E, n]``.
        paid: By name, ``[*E, n]`` of agents' streams, ``[*E, 1]`` of team streams.

    Raises:
        RequestError: A stream is missing, is not declared, or has another shape.
    """
    if not (streams or paid):
        return
    wanted = {stream.name: (*reward.shape[:-1], stream.owners(reward.shape[-1])) for stream in streams}
    missing, unknown = sorted(wanted.keys() - paid.keys()), sorted(paid.keys() - wanted.keys())
    require(not missing, f"a step pays no {', '.join(missing)}, which its environment declares as a stream")
    require(not unknown, f"a step pays {', '.join(unknown)}, which its environment does not declare in its streams")
    for name, shape in wanted.items():
        require(
            paid[name].shape == shape,
            f"a step pays {name} with shape {paid[name].shape}; its declared owner requires {shape}",
        )


def learning_reward(streams: Sequence[Stream], reward: Any, paid: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the reward that agents learn from, and all other streams.

    It is the environment's reward, unless a stream replaces it (``critic="reward"``). Metrics report the environment's
    reward in either case.
    """
    beside = dict(paid)
    for stream in streams:
        if stream.critic == "reward":
            reward = beside.pop(stream.name)
    return reward, beside


def reported(streams: Sequence[Stream]) -> tuple[Stream, ...]:
    """Return the streams whose sums over episodes are reported."""
    return tuple(stream for stream in streams if stream.reported)
