"""Results of trained runs: evaluations, policies, exports, reports and cross-play.

Every function takes a run or its directory.
"""

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
        run: A run, its directory, ``RUN/best`` for its best policy, or a directory of several seeds. For several seeds,
            each run's own policy is evaluated, and `Evaluation.by_run` has the separate results.
        episodes: Number of episodes per run.
        seed: Random seed of the episodes.
        deterministic: Whether to use the most probable actions instead of samples.
        best: Whether to use the policy with the best evaluation during training.
        at_random: Agents that act uniformly at random instead; `Evaluation.wins` states how often each agent won.
        trust: Whether to run the run's own code, even if this user did not start the run on this machine.
        max_episode_steps: Steps after which an episode is cut off (truncated). None for the limit that the evaluations
            during training used: the longest episode that the environment declares, or 10,000. `Evaluation.cut` states
            how many episodes were truncated.
        environment: Another environment, as `hamlet.train` accepts it, in which the run's policies can act: for example
            ``hamlet.envs.make("mpe/simple_spread", max_steps=50)``. None for the run's environment.

    Raises:
        RequestError: If there is no run, it is not trusted, it has no best policy but ``best`` is requested, an agent
            of ``at_random`` does not exist, or the policies cannot act in the environment; the message names the
            difference.
        RunError: If the run has no good checkpoint, or the environment failed in more than a tenth of the episodes.
            If fewer episodes failed, they were replaced, and `Evaluation.failed` states their number.
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
    """Load the joint policy of a run's newest good checkpoint, or its best policy by evaluations during training.

    Args:
        run: A run, its directory, or ``RUN/best`` for its best policy.
        best: Whether to load the policy with the highest mean return in the run's own evaluations.
        seed: Random seed of stochastic actions.
        trust: Whether to run the run's own code, even if this user did not start the run on this machine.

    Raises:
        RequestError: If there is no run, it is not trusted, or ``best`` is requested and the run had no evaluations.
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
    """Write each agent's policy as separate files that can be used without Hamlet.

    Args:
        run: A run, its directory, or ``RUN/best`` for its best policy. Its newest good checkpoint is exported.
        out: The directory to create. If it exists, it must be empty. None for ``RUN/export``.
        formats: The formats to write, of "numpy", "onnx" and "stablehlo"; None for those whose packages are installed.
        best: Whether to export the policy with the best evaluation during training, instead of the newest policy.
        trust: Whether to run the run's own code, even if this user did not start the run on this machine.

    Returns:
        The directory. Its README describes the inputs and outputs of every agent's policy.

    Raises:
        RequestError: If there is no run or no best policy, a format is unknown or its package is not installed, the
            directory is not empty, or a network uses an operation that the format does not support.
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
    """Write a web page about runs: learning curves with intervals over seeds, scores, and an animation of the agents.

    The page works offline.

    Args:
        runs: At least one: runs, their directories, or directories that contain several runs.
        out: The directory to write to. It will contain `report.html` and a file with the page's numbers.
        steps: Use every run's results up to this number of environment steps; None for all results.
        animation: Whether to show an animation of the agents.
        trust: Whether to run the runs' own code, even if this user did not start the runs on this machine.

    Returns:
        The page.

    Raises:
        RequestError: If there is no run.
        RunError: If a file cannot be written.
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
    """Play the policies of several runs against each other; in each pair, both policies play in both seats.

    Args:
        runs: At least two: runs, their directories, ``RUN/best``, or directories of several seeds.
        episodes: Whole games per cell of the cross-play table.
        seed: Random seed of the games.
        deterministic: Whether to use the most probable actions instead of samples.
        best: Whether to use the best policy of every run.
        trust: Whether to run the runs' own code, even if this user did not start the runs on this machine.
        max_episode_steps: Steps after which a game is cut off (truncated); None for the environment's longest episode,
            or 10,000.

    Returns:
        A `hamlet.reports.crossplay.CrossPlay`: the returns of every pair, its Nash average and its α-rank.

    Raises:
        RequestError: Unless there are at least two different runs that play the same game of several agents.
        RunError: If a run has no good checkpoint, or more than a tenth of the games of a cell fail.
    """
    from hamlet.reports import crossplay as games

    mode: Mode = "deterministic" if deterministic else "stochastic"
    paths = [run.path if isinstance(run, SavedRun) else run for run in runs]
    options = {"best": best, "trust": trust, "max_episode_steps": max_episode_steps}
    return games.play(paths, episodes=episodes, seed=check_seed(seed), mode=mode, **options)
