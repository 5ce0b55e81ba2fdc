"""What trained runs give: evaluations, policies, exports, reports and cross-play, of a run or of its directory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hamlet.arguments import checked
from hamlet.envs.given import environment as environment_of
from hamlet.errors import RequestError
from hamlet.evaluation.evaluate import Evaluation, Mode
from hamlet.policy import Policy
from hamlet.policy import load_policy as load
from hamlet.runs.seeds import check_seed
from hamlet.training.named_runs import named_run, named_runs
from hamlet.training.run import SavedRun


@checked
def evaluate(
    run: Any,
    *,
    episodes: int = 100,
    seed: int = 1,
    deterministic: bool = True,
    best: bool = False,
    at_random: Sequence[str] = (),
    trust: bool = False,
    max_episode_steps: int | None = None,
    environment: Any = None,
) -> Evaluation:
    """Play whole episodes with a run's newest good checkpoint, or with its best policy.

    Args:
        run: A run, its directory, ``RUN/best`` for its best policy, or a directory of several seeds: then with the
            policy of each, and the evaluation has them apart as `Evaluation.by_run`.
        episodes: How many, of each run.
        seed: From which they are drawn.
        deterministic: The likeliest actions rather than samples.
        best: The best of the policies that were evaluated while it trained.
        at_random: Agents that act at random instead; `Evaluation.wins` says how often each agent won.
        trust: Whether code of its own that the run names may be run, though this user did not begin it here.
        max_episode_steps: Steps after which an episode is cut; None for as many as in the evaluations of the run's
            training: what the environment declares as its longest, or 10,000. `Evaluation.cut` says how many were.
        environment: Another one than the run's, as `hamlet.train` takes it, in which its policies can act: such as
            ``hamlet.envs.make("mpe/simple_spread", max_steps=50)``.

    Raises:
        RequestError: If there is no run, it is not trusted, it has no best policy and that is asked for, there is
            no such agent, or the policies cannot act in the environment; what differs is named.
        RunError: If it has no good checkpoint, or the environment failed in more than a tenth of the episodes;
            `Evaluation.failed` says how many others failed, and were replaced.
    """
    mode: Mode = "deterministic" if deterministic else "stochastic"
    env = None if environment is None else environment_of(environment)
    how = {"at_random": tuple(at_random), "max_episode_steps": max_episode_steps, "environment": env}
    played = [
        entry.run.evaluate(episodes, seed, mode, best=entry.best, **how)
        for entry in named_runs(run, best=best, trust=trust)
    ]
    return played[0] if len(played) == 1 else Evaluation.of_runs(played)


@checked
def load_policy(run: Any, *, best: bool = False, seed: int = 0, trust: bool = False) -> Policy:
    """The joint policy of a run's newest good checkpoint, or the best of those that were evaluated while it trained.

    Args:
        run: A run, its directory, or ``RUN/best`` for its best policy.
        best: The policy whose mean return in the run's own evaluations is highest.
        seed: From which stochastic actions are drawn.
        trust: Whether code of its own that the run names may be run, though this user did not begin it here.

    Raises:
        RequestError: If there is no run, it is not trusted, or nothing was evaluated while it trained and ``best`` is
            asked for.
        RunError: If it has no good checkpoint.
    """
    named = named_run(run, best=best, trust=trust)
    return load(named.run, best=named.best, seed=check_seed(seed))


@checked
def export(
    run: Any,
    out: str | Path | None = None,
    *,
    formats: Sequence[str] | None = None,
    best: bool = False,
    trust: bool = False,
) -> Path:
    """Write each agent's policy alone, as files that need no Hamlet.

    Args:
        run: A run, its directory, or ``RUN/best`` for its best policy; its newest good checkpoint is taken.
        out: The directory to make, of which at most an empty one may exist; None for ``RUN/export``.
        formats: Of "numpy", "onnx" and "stablehlo", those to write; None for those whose packages are installed.
        best: The policy that was evaluated best while the run trained, not its newest.
        trust: Whether code of its own that the run names may be run, though this user did not begin it here.

    Returns:
        The directory, with a README that says what every agent's policy takes and gives.

    Raises:
        RequestError: If there is no run or no best policy, a format is unknown or asked for without its package, the
            directory is taken, or a network uses what a format cannot say.
        RunError: If the run has no good checkpoint, or the files cannot be written.
    """
    from hamlet.exporting import directory

    named = named_run(run, best=best, trust=trust)
    return directory.export(named.run.path, out, formats=formats, best=named.best, trust=named.run.trust)


@checked
def report(
    *runs: Any,
    out: str | Path = "report",
    steps: int | None = None,
    animation: bool = True,
    trust: bool = False,
) -> Path:
    """A page about runs that works offline: curves with intervals over seeds, scores, the agents in motion.

    Args:
        runs: At least one: runs, their directories, or directories that hold several.
        out: The directory to write to; `report.html`, and beside it its numbers.
        steps: Every run as it was after so many environment steps; None for all that was measured.
        animation: Whether to show the agents in motion.
        trust: Whether code of their own that runs name may be run, though this user did not begin them here.

    Returns:
        The page.

    Raises:
        RequestError: If there is no run.
        RunError: If something cannot be written.
    """
    from hamlet.commands.report import written

    if not runs:
        raise RequestError("report takes at least one run")
    paths = [str(run.path) if isinstance(run, SavedRun) else str(run) for run in runs]
    return written(paths, Path(out), steps=steps, animation=animation, trust=trust)[0]


@checked
def crossplay(
    *runs: Any,
    episodes: int = 100,
    seed: int = 1,
    deterministic: bool = False,
    best: bool = False,
    trust: bool = False,
    max_episode_steps: int | None = None,
) -> Any:
    """Pit the policies of runs against one another, each with either in the first seat.

    Args:
        runs: At least two: runs, their directories, ``RUN/best``, or directories of several seeds.
        episodes: Whole games of each cell.
        seed: From which they are drawn.
        deterministic: The likeliest actions rather than samples.
        best: The best policy of every run.
        trust: Whether code of their own that runs name may be run, though this user did not begin them here.
        max_episode_steps: Steps after which a game is cut; None for the environment's longest, or 10,000.

    Returns:
        A `hamlet.reports.crossplay.CrossPlay`: what every pair earned, its Nash average and α-rank.

    Raises:
        RequestError: Unless there are two runs at least, each once, that play the same game of several agents.
        RunError: If a run has no good checkpoint, or more than a tenth of the games of a cell fail.
    """
    from hamlet.reports import crossplay as games

    mode: Mode = "deterministic" if deterministic else "stochastic"
    paths = [run.path if isinstance(run, SavedRun) else run for run in runs]
    options = {"best": best, "trust": trust, "max_episode_steps": max_episode_steps}
    return games.play(paths, episodes=episodes, seed=check_seed(seed), mode=mode, **options)
