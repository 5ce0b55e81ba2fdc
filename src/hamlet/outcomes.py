"""Functions that use trained runs: evaluate, load policies, export, report and cross-play. They take runs or paths."""

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
    """Evaluate the policy of a run in complete episodes; the same as the command ``hamlet evaluate``.

    The function uses the newest good checkpoint of the run, or its best policy.

    Args:
        run: A run; its directory; ``RUN/best`` for its best policy; or a directory with runs of several seeds. With
            several runs, each run's policy is evaluated, and `Evaluation.by_run` contains their evaluations.
        episodes: The number of episodes for each run.
        seed: The seed of the episodes.
        deterministic: Whether agents take the most probable action, instead of a sampled action.
        best: Whether to use the policy with the highest mean return in the run's evaluations, instead of the newest
            policy.
        at_random: The names of agents that act at random instead of by their policies. `Evaluation.wins` is the
            fraction of episodes that each agent won.
        trust: Whether Hamlet may execute code outside Hamlet that the run names, although this user did not start the
            run on this machine.
        max_episode_steps: An episode is truncated after this many steps; `Evaluation.cut` counts truncated episodes.
            None for the value in the evaluations during training, which by default is the longest episode that the
            environment declares, or 10,000.
        environment: An environment in which the policies play instead of the run's environment, such as
            ``hamlet.envs.make("mpe/simple_spread", max_steps=50)``. It may have all forms that `hamlet.train` takes.

    Returns:
        The evaluation, with the returns and lengths of all episodes, the mean return, and its standard error.

    Raises:
        RequestError: There is no run; the run is not trusted; it has no best policy; it has no agent of this name; or
            its policies cannot act in ``environment``, and the message names the difference.
        RunError: The run has no good checkpoint, or the environment failed in more than a tenth of the episodes. Up to
            this limit, a failed episode is replaced by another one, and `Evaluation.failed` counts the failures.

    Examples:
        >>> evaluation = hamlet.evaluate("runs/a", episodes=320)  # doctest: +SKIP
        >>> evaluation.mean, evaluation.standard_error  # doctest: +SKIP
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
    """Load the joint policy of a run: the policies of all its agents.

    The function loads the newest good checkpoint of the run, or its best policy.

    Args:
        run: A run, its directory, or ``RUN/best`` for its best policy.
        best: Whether to load the policy with the highest mean return in the run's evaluations, instead of the newest
            policy.
        seed: The seed of sampled actions.
        trust: Whether Hamlet may execute code outside Hamlet that the run names, although this user did not start the
            run on this machine.

    Returns:
        The policy.

    Raises:
        RequestError: There is no run; the run is not trusted; or ``best`` is set and the run has no evaluations.
        RunError: The run has no good checkpoint.

    Examples:
        >>> policy = hamlet.load_policy("runs/a")  # doctest: +SKIP
        >>> actions = policy.act(observations)  # doctest: +SKIP
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
    """Write each agent's policy as files that work without Hamlet; the same as the command ``hamlet export``.

    The function exports the newest good checkpoint of the run, or its best policy.

    Args:
        run: A run, its directory, or ``RUN/best`` for its best policy.
        out: The directory to create; it must not exist, or it must be empty. None for ``RUN/export``.
        formats: The formats to write, from "numpy", "onnx" and "stablehlo"; None for all formats whose packages are
            installed.
        best: Whether to export the policy with the highest mean return in the run's evaluations, instead of the newest
            policy.
        trust: Whether Hamlet may execute code outside Hamlet that the run names, although this user did not start the
            run on this machine.

    Returns:
        The directory. Its README.md describes the inputs and outputs of every agent's policy.

    Raises:
        RequestError: There is no run or no best policy; a format is unknown, or its package is not installed; the
            directory is not empty; or a network uses an operation that a format does not support.
        RunError: The run has no good checkpoint, or the files cannot be written.

    Examples:
        >>> hamlet.export("runs/a", "robot", formats=["numpy", "onnx"])  # doctest: +SKIP
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
    """Write a report about one or more runs; the same as the command ``hamlet report``.

    The report is an HTML page that works offline. It shows learning curves with intervals over seeds, scores, the
    configurations, and animations of the agents.

    Args:
        runs: One or more runs, directories of runs, or directories that contain several runs.
        out: The directory to write to. It receives ``report.html``, and the numbers of the report as Markdown, CSV and
            JSON files.
        steps: Show each run as it was after this number of environment steps; None for all its data.
        animation: Whether the report shows animations of the agents.
        trust: Whether Hamlet may execute code outside Hamlet that the runs name, although this user did not start them
            on this machine.

    Returns:
        The path of the HTML page.

    Raises:
        RequestError: There is no run.
        RunError: A file cannot be written.

    Examples:
        >>> hamlet.report("runs/happo", "runs/mappo", out="runs/report")  # doctest: +SKIP
    """
    from hamlet.commands.report import written

    if not runs:
        raise RequestError("report() needs at least one run, such as report('runs/a')")
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
    """Let the policies of several runs play against each other; the same as the command ``hamlet crossplay``.

    Every ordered pair of runs plays, and also each run with itself. The policy of the pair's first run controls the
    first agent, and the policies of its second run control all other agents.

    Args:
        runs: Two or more runs, directories of runs, ``RUN/best``, or directories with runs of several seeds.
        episodes: The number of games for each ordered pair.
        seed: The seed of the games. All pairs start from the same initial states.
        deterministic: Whether agents take the most probable action, instead of a sampled action.
        best: Whether to use each run's policy with the highest mean return in its evaluations, instead of its newest
            policy.
        trust: Whether Hamlet may execute code outside Hamlet that the runs name, although this user did not start them
            on this machine.
        max_episode_steps: A game is truncated after this many steps; None for the longest episode that the environment
            declares, or 10,000.

    Returns:
        A `hamlet.reports.crossplay.CrossPlay` with the mean returns of every pair, the Nash average and the α-rank.

    Raises:
        RequestError: There are fewer than two runs; a run is given twice; or the runs do not share one environment with
            several agents.
        RunError: A run has no good checkpoint, or more than a tenth of a pair's games failed.

    Examples:
        >>> games = hamlet.crossplay("runs/a", "runs/b", "runs/b/best", episodes=200)  # doctest: +SKIP
        >>> games.nash_average.skills, games.alpha_rank.masses  # doctest: +SKIP
    """
    from hamlet.reports import crossplay as games

    mode: Mode = "deterministic" if deterministic else "stochastic"
    paths = [run.path if isinstance(run, SavedRun) else run for run in runs]
    options = {"best": best, "trust": trust, "max_episode_steps": max_episode_steps}
    return games.play(paths, episodes=episodes, seed=check_seed(seed), mode=mode, **options)
