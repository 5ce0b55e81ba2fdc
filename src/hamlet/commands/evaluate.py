"""``hamlet evaluate``: measure the return of a run's newest checkpoint, and compare it with random play."""

import dataclasses
import json
import math
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hamlet.envs.host import AnyEnvironment
from hamlet.errors import RequestError, RunError
from hamlet.evaluation.evaluate import over_runs
from hamlet.evaluation.sides import ConstantSum
from hamlet.options import variation
from hamlet.options.parsing import HELP, Command, OptionGroup, Parsed
from hamlet.rollouts.played import check_horizon
from hamlet.runs.seeds import check_seed
from hamlet.training import final_evaluation
from hamlet.training.named_runs import NamedRun, named_run, named_runs
from hamlet.training.run import SavedRun
from hamlet.video import files
from hamlet.video.record import Recording, record_run


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """Options of ``hamlet evaluate``.

    Attributes:
        episodes: The number of complete episodes.
        seed: The seed of the episodes.
        stochastic: Sample actions instead of taking the most probable action.
        best: Evaluate the policy with the highest mean return in the run's evaluations, instead of the newest policy.
        random_agents: Names of agents that act at random instead of by their policies. The command then prints how
            often each agent wins, and stores nothing in the run.
        trust: Execute code that the run names and that is not part of Hamlet, although you did not start the run on
            this machine.
        max_episode_steps: Truncate an episode after this many steps. Without it, the value of the evaluations during
            training, which by default is the longest episode that the environment declares, or 10,000.
        json: Print one JSON object with the return of every episode, instead of the text.
        video: Also write episodes of the policy, with the same seed, to this file. It must end in .gif or .mp4.
        video_episodes: The number of episodes in the video.
    """

    episodes: int = 100
    seed: int = 1
    stochastic: bool = False
    best: bool = False
    random_agents: tuple[str, ...] = ()
    trust: bool = False
    max_episode_steps: int | None = None
    json: bool = False
    video: Path | None = None
    video_episodes: int = 1


COMMAND = Command(
    "hamlet evaluate",
    ("RUN",),
    (OptionGroup("evaluation", EvaluateOptions, pairs=False),),
    "Evaluate the newest checkpoint of a run in complete episodes. RUN is the run's directory, RUN/best\n"
    "(its best policy), or a directory with runs of several seeds. The command prints the mean team\n"
    "return ± its standard error, and the mean return of random play for comparison. It adds the result\n"
    "to RUN/evaluation.json.\n\n"
    "With --env.NAME VALUE, the policy plays with another value of an environment option. The result is\n"
    "then not stored.\n\n"
    "example: hamlet evaluate runs/a --episodes 320 --video a.mp4",
)


def main(argv: Sequence[str]) -> int:
    """Evaluate a run."""
    (path,), parsed, changed = _parsed(argv)
    options = EvaluateOptions(**parsed.values["evaluation"])
    if options.episodes < 1:
        raise RequestError(f"--episodes must be at least 1, got {options.episodes}")
    check_seed(options.seed)
    check_horizon(options.max_episode_steps)
    if options.video is not None:
        files.check(options.video)
        named_run(path)  # a video shows a single run: this refuses a directory of several runs
    entries = named_runs(path, best=options.best, trust=options.trust)
    judgements, recording = [], None
    for entry in entries:
        environment = variation.varied(entry.run.environment, changed) if changed else None
        # The video comes first, because the evaluation takes longer: if no video can be made, the error comes at once.
        recording = None if options.video is None else _recorded(entry, options, options.video, environment)
        judgement = _judged(entry, options, environment)
        judgements.append(judgement)
        if not options.json:
            heading = f"{entry.run.path}\n" if entries[1:] else ""
            lines = [contest(judgement, options.random_agents), *of_measures(judgement)]
            print(heading + ("\n".join(lines) if options.random_agents else comparison(judgement)))
            if recording is not None:
                print(recording.summary())
        if not options.random_agents and not changed:
            keep(entry.run, judgement)
    if options.json:
        objects = [
            _as_json(str(entry.run.path) if entries[1:] else path, judgement, options.random_agents)
            for entry, judgement in zip(entries, judgements, strict=True)
        ]
        print(json.dumps({"runs": objects} if objects[1:] else objects[0] | _video_as_json(recording)))
    elif entries[1:] and not options.random_agents:
        print("\n" + "\n".join(over_seeds(judgements)))
    return 0


def _judged(
    entry: NamedRun, options: EvaluateOptions, environment: AnyEnvironment | None
) -> final_evaluation.Judgement:
    return final_evaluation.judge(
        entry.run, episodes=options.episodes, best=entry.best, environment=environment, **_how(options)
    )


def _how(options: EvaluateOptions) -> dict[str, Any]:
    """Return the options of the episodes, for the evaluation and for the video."""
    return {
        "seed": options.seed,
        "mode": "stochastic" if options.stochastic else "deterministic",
        "at_random": options.random_agents,
        "max_episode_steps": options.max_episode_steps,
    }


def _recorded(entry: NamedRun, options: EvaluateOptions, file: Path, environment: AnyEnvironment | None) -> Recording:
    """Write the video, and print on stderr what it cannot show."""
    episodes, how = options.video_episodes, _how(options)
    recording = record_run(entry.run, file, episodes=episodes, best=entry.best, environment=environment, **how)
    if recording.remark:
        print(recording.remark, file=sys.stderr)
    return recording


def _video_as_json(recording: Recording | None) -> dict[str, object]:
    if recording is None:
        return {}
    returns = recording.returns.tolist()
    return {"video": {"path": str(recording.path), "steps": list(recording.steps), "returns": returns}}


def _parsed(argv: Sequence[str]) -> tuple[list[str], Parsed, dict[str, Any]]:
    """Return the words, the options, and the environment options that the user gave."""
    words, given = COMMAND.split(argv)
    known = [arg.option.name for arg in given if arg.option is not None]
    if not words or not any(arg.flag.startswith("--env.") for arg in given) or any(arg.flag in HELP for arg in given):
        return *COMMAND.parse(argv), {}
    env = named_runs(words[0].text, trust="trust" in known)[0].run.environment
    command = dataclasses.replace(COMMAND, groups=(*COMMAND.groups, variation.options(env, argv)))
    names, parsed = command.parse(argv)
    typed = [command.flags[flag] for flag in parsed.given]
    return names, parsed, {arg.name: parsed.values["env"][arg.name] for arg in typed if arg.group == "env"}


def comparison(judgement: final_evaluation.Judgement, absolute: dict[str, Any] | None = None) -> str:
    """Return lines with the returns of the policy, of random play and of the best policy; then lines of the measures.

    In a constant-sum game, the lines are a table of the sides. ``absolute`` is the final evaluation of the run's best
    policy (the "absolute metric" of Gorsane et al.), if there is one.
    """
    return "\n".join([_of_returns(judgement, absolute), *of_measures(judgement)])


def of_measures(judgement: final_evaluation.Judgement) -> list[str]:
    """Return a line for each reported stream, summed over agents, and for each measure of the environment."""
    lines, random = [], judgement.random.measured
    for name, (count, mean, error) in judgement.evaluation.measured.items():
        if mean is None:
            lines.append(f"{name}: not measured, because it is in no agent's infos")
            continue
        other = random[name]
        beside = "not measured" if other.mean is None else f"{other.mean:.4g} ± {other.standard_error:.2g}"
        episodes = f"{count} of {len(judgement.evaluation.lengths)} episodes"
        lines.append(f"{name} {mean:.4g} ± {error:.2g} (mean ± standard error over {episodes}; random play {beside})")
    return lines


def _of_returns(judgement: final_evaluation.Judgement, absolute: dict[str, Any] | None) -> str:
    if judgement.opposed is not None:
        return contest_of_sides(judgement, judgement.opposed, with_best=absolute is not None)
    evaluation, random = judgement.evaluation, judgement.random
    pairs = [(evaluated.mean, evaluated.standard_error) for evaluated in (evaluation, random)]
    pairs += [] if absolute is None else [(float(absolute["mean"]), float(absolute["standard_error"]))]
    numbers = [f"{mean:.2f} ± {error:.2f}" for mean, error in pairs]
    width = max(map(len, numbers))
    episodes = f"{len(evaluation.returns)} episode" + ("s" if len(evaluation.returns) > 1 else "")
    lines = (
        f"{numbers[0]:>{width}}  mean team return ± standard error at step {judgement.step:,}\n"
        f"{'':{width}}  ({episodes}, {evaluation.mode} policy, seed {evaluation.seed})\n"
        f"{numbers[1]:>{width}}  random play from the same initial states"
    )
    if absolute is None:
        return lines
    return (
        f"{lines}\n{numbers[2]:>{width}}  best policy of the run, from step {absolute['step']:,}\n"
        f"{'':{width}}  ({absolute['episodes']} episodes, {absolute['mode']} policy, seed {absolute['seed']})"
    )


def contest(judgement: final_evaluation.Judgement, at_random: tuple[str, ...]) -> str:
    """Return a line for each agent: its mean return, and how often it won."""
    evaluation, count = judgement.evaluation, len(judgement.evaluation.lengths)
    rows = []
    for agent, name in enumerate(judgement.agents):
        returns = evaluation.agent_returns[:, agent]
        error = returns.std(ddof=1) / count**0.5 if count > 1 else 0.0
        played = "at random" if name in at_random else f"{evaluation.mode} policy"
        rows.append(
            (name, f"{returns.mean():.2f} ± {error:.2f}", f"wins {100 * evaluation.wins[agent]:.1f} %", f"({played})")
        )
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        f"{name:{widths[0]}}  {returns:>{widths[1]}}  {won:>{widths[2]}}  {played}"
        for name, returns, won, played in rows
    ]
    footnote = f"{count} episode{'s' if count > 1 else ''}, seed {evaluation.seed}, policy of step {judgement.step:,}"
    return "\n".join(["mean return ± standard error of each agent", *lines, f"({footnote})"])


def contest_of_sides(judgement: final_evaluation.Judgement, opposed: ConstantSum, *, with_best: bool) -> str:
    """Return a table of a constant-sum game: each side's mean return and share of wins.

    The columns are: all agents follow the policy; the side follows the policy and the other agents act at random; all
    agents act at random.
    """
    evaluation, agents = judgement.evaluation, judgement.agents
    by_policy, ties = opposed.split(evaluation.agent_returns, agents)
    random, random_ties = opposed.split(judgement.random.agent_returns, agents)
    splits = [opposed.split(entry.agent_returns, agents) for entry in judgement.against_random]
    against = [side_results[number] for number, (side_results, _) in enumerate(splits)]

    def cell(side):
        return f"{side.mean + 0.0:.2f} ± {side.standard_error:.2f}, wins {100 * side.wins:.1f} %"

    rows = [["", "all use the policy", "other sides at random", "all at random"]]
    rows += [[" + ".join(entry[0].agents), *map(cell, entry)] for entry in zip(by_policy, against, random, strict=True)]
    even = [f"{100 * share:.1f} %" for share in (ties, float(np.mean([tie for _, tie in splits])), random_ties)]
    rows.append(["ties", *even])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    count = len(evaluation.lengths)
    lines = [
        f"constant-sum game: the agents' returns sum to {opposed.total + 0.0:.6g} in every episode",
        f"mean return ± standard error of each side at step {judgement.step:,}",
        *table,
        f"({count} episode{'s' if count > 1 else ''} each, {evaluation.mode} policy, seed {evaluation.seed})",
    ]
    if with_best:
        lines.append("best policy of the run: the newest one that was evaluated, because all have the same team return")
    return "\n".join(lines)


def keep(run: SavedRun, judgement: final_evaluation.Judgement) -> None:
    """Store the evaluations of the policy and of random play in the run.

    If the directory cannot be written, the function only warns: the printed result is still valid.
    """
    try:
        final_evaluation.record(run.directory, judgement)
    except RunError as error:
        sys.stdout.flush()
        warnings.warn(f"the evaluation is not stored in the run: {error}", stacklevel=2)


def _as_json(path: str, judgement: final_evaluation.Judgement, at_random: tuple[str, ...]) -> dict[str, object]:
    random = judgement.random
    wins = dict(zip(judgement.agents, judgement.evaluation.wins.tolist(), strict=True))
    return {
        "run": path,
        **final_evaluation.describe(
            judgement.evaluation, judgement.step, judgement.agents, judgement.opposed, judgement.against_random
        ),
        **({"at_random": list(at_random), "wins": wins} if at_random else {}),
        "random": {
            "mean": random.mean,
            "standard_error": random.standard_error,
            "failed": random.failed,
            "cut": random.cut,
            **(
                {"measures": {name: measure._asdict() for name, measure in random.measured.items()}}
                if random.measured
                else {}
            ),
        },
    }


def over_seeds(judgements: Sequence[final_evaluation.Judgement]) -> list[str]:
    """Return lines with the mean over several runs; in a constant-sum game, each side's mean against random play."""
    if any(one.opposed is None for one in judgements):
        returns = [judgement.evaluation.returns for judgement in judgements]
        mean = sum(float(part.mean()) for part in returns) / len(returns)
        return [f"{mean:.2f} ± {over_runs(returns):.2f}  mean over {len(judgements)} seeds, with the same episodes"]
    lines = []
    for agent, name in enumerate(judgements[0].agents):
        means = [
            float(played.agent_returns[:, agent].mean())
            for one in judgements
            for side, played in zip(one.opposed.sides if one.opposed else (), one.against_random, strict=True)
            if agent in side
        ]
        lines.append(f"{_spread(means)}  {name} against random play, mean over {len(judgements)} seeds")
    return lines


def _spread(means: Sequence[float]) -> str:
    """Return the mean of numbers ± its standard error, which is 0 for a single number."""
    mean = sum(means) / len(means)
    spread = math.sqrt(sum((one - mean) ** 2 for one in means) / max(1, len(means) - 1))
    return f"{mean:.2f} ± {spread / math.sqrt(len(means)):.2f}"
