"""``hamlet check-env``: can an environment be trained on? Found out by playing it at random."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hamlet.backends.select import backend_of
from hamlet.envs.given import by_factory
from hamlet.envs.jax_check import UnfitEnvironment, check_environment
from hamlet.envs.pettingzoo.check import Findings, Unfit, examine
from hamlet.envs.pettingzoo.environment import PettingZoo
from hamlet.errors import RequestError, require
from hamlet.evaluation.evaluate import horizon
from hamlet.options.factories import Factory
from hamlet.options.parsing import Command, OptionGroup
from hamlet.rollouts.played import check_horizon
from hamlet.spaces import Box, Discrete, MultiDiscrete, Space


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """Options of ``hamlet check-env``.

    Attributes:
        episodes: Episodes of random play; the first one in two copies side by side.
        max_episode_steps: Steps after which an episode is left.
        seed: From which they are drawn.
    """

    episodes: int = 3
    max_episode_steps: int = 1000
    seed: int = 0


USAGE = "hamlet check-env"
COMMAND = Command(
    USAGE,
    ("MODULE:FACTORY",),
    (OptionGroup("check", CheckOptions, pairs=False),),
    "Play an environment at random, before any training, and name the first thing that is wrong with it:\n"
    "the agent, what of it, its shape, type or value, and the step. FACTORY is a function of MODULE, which is\n"
    "found from here, that makes an environment of PettingZoo or, in JAX, of Hamlet's contract. Status 2 where\n"
    "something is wrong.\n\n"
    "examples:\n"
    "  hamlet check-env pettingzoo.sisl.pursuit_v5:parallel_env --env.max-cycles 100\n"
    "  hamlet check-env pettingzoo.sisl.pursuit_v5:parallel_env --help    its options",
)


def main(argv: Sequence[str]) -> int:
    """Check, and say what it is."""
    factory, options, given = read(argv)
    env = factory.call(lambda asked: by_factory(factory.place, **asked), given)
    try:
        if isinstance(env, PettingZoo):
            lines = _told(factory.call(lambda asked: examine(factory.place, asked, **asdict(options)), given))
        else:
            lines = _in_jax(factory.place, env, options)
    except (Unfit, UnfitEnvironment) as wrong:
        raise RequestError(f"{factory.place}: {wrong}") from wrong
    print("\n".join(lines))
    return 0


def _in_jax(place: str, env: Any, options: CheckOptions) -> list[str]:
    """What an environment of Hamlet's own contract is, in lines."""
    if hasattr(env, "open"):
        raise RequestError(f"{place} makes a HostEnvironment, which is not looked at: hamlet train says what is wrong")
    findings = check_environment(env, **asdict(options))
    lines = [f"{place} can be trained on."]
    for group in env.groups:
        spaces = f"see {_spoken(group.observation, '')}, act {_spoken(group.action, '')}"
        lines.append(f"  {_names(group.names)}: {spaces}")
    lengths = sorted(set(findings.lengths))
    lines.append(
        f"  episodes of {lengths[0]} to {lengths[-1]} steps" if lengths[1:] else f"  episodes of {lengths[0]} steps"
    )
    return lines + [f"  note: {note}" for note in findings.notes]


def read(argv: Sequence[str]) -> tuple[Factory, CheckOptions, dict[str, Any]]:
    """The factory, how to play it, and the options that it gets.

    Raises:
        RequestError: If something is unknown or of the wrong kind.
    """
    words = COMMAND.split(argv)[0]
    if not words:
        COMMAND.parse(argv)
    factory = Factory.at(words[0].text)
    env = OptionGroup("env", factory.signed(lambda **_: None), prefixed=True).taking(argv)
    about = "\n\n".join(text for text in (COMMAND.description, env.more) if text)
    _, parsed = Command(USAGE, COMMAND.words, (*COMMAND.groups, env), about).parse(argv)
    options = CheckOptions(**parsed.values["check"])
    require(options.episodes >= 1, f"--episodes must be at least 1, not {options.episodes}")
    check_horizon(options.max_episode_steps)
    return factory, options, parsed.values["env"]


def _told(findings: Findings) -> list[str]:
    env = findings.environment
    lines = [f"{env.factory} can be trained on."]
    for group, seats in zip(env.groups, env.plan.groups, strict=True):
        masked = ", masked" if seats.choices else ""
        lines.append(
            f"  {_names(group.names)}: see {_spoken(group.observation, seats.observation.dtype)}, "
            f"act {_spoken(group.action, '')}{masked}"
        )
    lengths = (
        f"{min(findings.lengths)} to {max(findings.lengths)}"
        if len(set(findings.lengths)) > 1
        else f"{findings.lengths[0]}"
    )
    unfinished = (
        f", {findings.unfinished} of them left before their end (--max-episode-steps)" if findings.unfinished else ""
    )
    lines += [f"  {remark}" for remark in env.remarks]
    lines.append(f"  episodes of {lengths} steps{unfinished}; {findings.speed:,.0f} steps/s in one process")
    if findings.unfinished:
        place = backend_of(env)
        why = "as it declares" if place.episode_steps else "as it does not say how long its episodes are"
        lines.append(
            f"  an evaluation cuts episodes at {horizon(env):,} steps, {why}; --max-episode-steps of train and "
            "evaluate sets that"
        )
    return lines + [f"  note: {note}" for note in findings.notes]


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(names) if len(names) <= 4 else f"{names[0]} … {names[-1]} ({len(names)} agents)"


def _spoken(space: Space, dtype: str) -> str:
    if isinstance(space, Box):
        shape = " x ".join(map(str, space.shape)) or "one number"
        low, high = space.bounds
        return f"Box {low.min():g} … {high.max():g} of {shape}" + (f" {dtype}" if dtype else "")
    match space:
        case Discrete(n):
            return f"one of {n}"
        case MultiDiscrete(sizes):
            return f"one each of {', '.join(map(str, sizes))}"
        case _:
            return "; ".join(_spoken(part, "") for part in space.parts)
