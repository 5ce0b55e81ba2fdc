"""What the steps of an environment pay: the reward, and the streams that an environment declares beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from hamlet.errors import require

__all__ = ["REWARD", "Stream", "check_paid", "declared_streams", "learning_reward", "reported"]

Owner: TypeAlias = Literal["agent", "team"]
PredictedBy: TypeAlias = Literal["reward", "own"]


@dataclass(frozen=True)
class Stream:
    """A number that every step of an environment pays, to each agent or to the team, in the environment's own unit.

    Attributes:
        name: A word by which steps, metrics and algorithms name it.
        owner: "agent": a step pays every agent its own, ``[n]``; "team": all agents together, ``[1]``.
        critic: Which values are predicted of it. "reward": those of the algorithm's critic, so that agents learn from
            this stream in place of the reward; "own": those of a critic for this stream alone, which an algorithm may
            have, as for a cost with a limit; None: none.
        reported: Whether metrics and evaluations report its sum over an episode.
        meaning: What it is, in a sentence.
        unit: Of what a step pays.
    """

    name: str
    owner: Owner = "agent"
    critic: PredictedBy | None = None
    reported: bool = True
    meaning: str = ""
    unit: str = ""

    def __post_init__(self) -> None:
        """Refuse names that are no words, and a learning reward that is not each agent's."""
        require(self.name.isidentifier(), f"a stream's name is a word, as collisions, not {self.name!r}")
        require(self.owner in get_args(Owner), f"the owner of {self.name} is agent or team, not {self.owner!r}")
        require(
            self.critic in (None, *get_args(PredictedBy)),
            f"the critic of {self.name} is 'reward', 'own' or None, not {self.critic!r}",
        )
        require(
            self.critic != "reward" or self.owner == "agent",
            f"agents learn from {self.name} in place of the reward, so that it is each agent's own: owner='agent'",
        )

    def owners(self, agents: int) -> int:
        """How many numbers a step pays: one for each of ``agents``, or one for the team."""
        return agents if self.owner == "agent" else 1

    def describe(self) -> str:
        """One line for a person.

        >>> Stream("collisions", critic="own", meaning="agents that it touches", unit="contacts").describe()
        'collisions, to each agent, in contacts: agents that it touches'
        """
        whom = "to each agent" if self.owner == "agent" else "to the team"
        unit = f", in {self.unit}" if self.unit else ""
        meaning = f": {self.meaning}" if self.meaning else ""
        return f"{self.name}, {whom}{unit}{meaning}"


REWARD = Stream("reward", critic="reward", meaning="what agents are to earn")
"""What every environment pays; its sum over an episode is the return."""


def declared_streams(env: Any) -> tuple[Stream, ...]:
    """The streams that an environment pays beside the reward: those that it declares as ``streams``.

    Raises:
        RequestError: Two have one name, one is called as the reward, or two are to be learnt from.

    >>> declared_streams(object())
    ()
    """
    streams: tuple[Stream, ...] = tuple(getattr(env, "streams", ()))
    names = [stream.name for stream in (REWARD, *streams)]
    twice = sorted({name for name in names if names.count(name) > 1})
    require(not twice, f"an environment pays two streams of the name {', '.join(twice)}: give each its own")
    learnt = [stream.name for stream in streams if stream.critic == "reward"]
    require(len(learnt) < 2, f"agents learn from one stream in place of the reward, not from {' and '.join(learnt)}")
    return streams


def check_paid(streams: Sequence[Stream], reward: Any, paid: Mapping[str, Any]) -> None:
    """Refuse a step that does not pay what its environment declares.

    Args:
        streams: Those declared.
        reward: ``[*E, n]``.
        paid: By name, ``[*E, n]`` of each agent's own, ``[*E, 1]`` of the team's.

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
            f"a step pays {name} of shape {paid[name].shape}, where its owner asks for {shape}",
        )


def learning_reward(streams: Sequence[Stream], reward: Any, paid: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """What agents learn from, and the streams beside it.

    It is the reward, unless a stream stands in for it (``critic="reward"``). The reward is reported in either case.
    """
    beside = dict(paid)
    for stream in streams:
        if stream.critic == "reward":
            reward = beside.pop(stream.name)
    return reward, beside


def reported(streams: Sequence[Stream]) -> tuple[Stream, ...]:
    """The streams whose sums over episodes are reported."""
    return tuple(stream for stream in streams if stream.reported)
