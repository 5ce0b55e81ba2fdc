"""``hamlet check-env``: check with random play whether Hamlet can train on an environment."""

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
        episodes: The number of episodes with random actions. The first one is played in two copies and compared.
        max_episode_steps: Stop an episode after this many steps.
        seed: The seed of the episodes and the random actions.
    """

    episodes: int = 3
    max_episode_steps: int = 1000
    seed: int = 0


USAGE = "hamlet check-env"
COMMAND = Command(
    USAGE,
    ("MODULE:FACTORY",),
    (OptionGroup("check", CheckOptions, pairs=False),),
    "Check an environment with random actions before you train on it. The command reports the first\n"
    "error: the step, the agent, and the wrong shape, type or value. FACTORY is a function in MODULE that\n"
    "makes a PettingZoo environment, or a JAX environment with Hamlet's interface. Python must find\n"
    "MODULE from the current directory. The exit status is 2 if the environment has an error.\n\n"
    "examples:\n"
    "  hamlet check-env pettingzoo.sisl.pursuit_v5:parallel_env --env.max-cycles 100\n"
    "  hamlet check-env pettingzoo.sisl.pursuit_v5:parallel_env --help    # list its options",
)


def main(argv: Sequence[str]) -> int:
    """Check an environment, and print its agents, spaces and episode lengths."""
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
    """Check an environment with Hamlet's interface, and return lines that describe it."""
    if hasattr(env, "open"):
        raise RequestError(
            f"{place} makes a HostEnvironment, which check-env does not support: hamlet train reports its errors"
        )
    findings = check_environment(env, **asdict(options))
    lines = [f"Hamlet can train on {place}."]
    for group in env.groups:
        spaces = f"observation {_spoken(group.observation, '')}; action {_spoken(group.action, '')}"
        lines.append(f"  {_names(group.names)}: {spaces}")
    lengths = sorted(set(findings.lengths))
    lines.append(
        f"  episodes of {lengths[0]} to {lengths[-1]} steps" if lengths[1:] else f"  episodes of {lengths[0]} steps"
    )
    return lines + [f"  note: {note}" for note in findings.notes]


def read(argv: Sequence[str]) -> tuple[Factory, CheckOptions, dict[str, Any]]:
    """Return the factory, the options of the check, and the options of the environment.

    Raises:
        RequestError: An option is unknown or has a value of the wrong type.
    """
    words = COMMAND.split(argv)[0]
    if not words:
        COMMAND.parse(argv)
    factory = Factory.at(words[0].text)
    env = OptionGroup("env", factory.signed(lambda **_: None), prefixed=True).taking(argv)
    about = "\n\n".join(text for text in (COMMAND.description, env.more) if text)
    _, parsed = Command(USAGE, COMMAND.words, (*COMMAND.groups, env), about).parse(argv)
    options = CheckOptions(**parsed.values["check"])
    require(options.episodes >= 1, f"--episodes must be at least 1, got {options.episodes}")
    check_horizon(options.max_episode_steps)
    return factory, options, parsed.values["env"]


def _told(findings: Findings) -> list[str]:
    env = findings.environment
    lines = [f"Hamlet can train on {env.factory}."]
    for group, seats in zip(env.groups, env.plan.groups, strict=True):
        masked = ", with action masks" if seats.choices else ""
        lines.append(
            f"  {_names(group.names)}: observation {_spoken(group.observation, seats.observation.dtype)}; "
            f"action {_spoken(group.action, '')}{masked}"
        )
    lengths = (
        f"{min(findings.lengths)} to {max(findings.lengths)}"
        if len(set(findings.lengths)) > 1
        else f"{findings.lengths[0]}"
    )
    unfinished = f" ({findings.unfinished} of them stopped early by --max-episode-steps)" if findings.unfinished else ""
    lines += [f"  {remark}" for remark in env.remarks]
    lines.append(f"  episodes of {lengths} steps{unfinished}; {findings.speed:,.0f} steps/s in one process")
    if findings.unfinished:
        place = backend_of(env)
        why = (
            "the environment declares this limit" if place.episode_steps else "the environment declares no other limit"
        )
        lines.append(
            f"  evaluations truncate episodes after {horizon(env):,} steps ({why}); to change it, use "
            "--max-episode-steps of hamlet train and hamlet evaluate"
        )
    return lines + [f"  note: {note}" for note in findings.notes]


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(names) if len(names) <= 4 else f"{names[0]} … {names[-1]} ({len(names)} agents)"


def _spoken(space: Space, dtype: str) -> str:
    if isinstance(space, Box):
        shape = " x ".join(map(str, space.shape)) or "one number"
        low, high = space.bounds
        return f"Box [{low.min():g}, {high.max():g}] ({shape}" + (f", {dtype})" if dtype else ")")
    match space:
        case Discrete(n):
            return f"Discrete({n})"
        case MultiDiscrete(sizes):
            return f"MultiDiscrete({', '.join(map(str, sizes))})"
        case _:
            return " + ".join(_spoken(part, "") for part in space.parts)
