"""Hamlet: heterogeneous-agent mirror learning in JAX.

>>> import hamlet
>>> hamlet.algorithms.happo(clip=0.1).drift
ClipDrift(epsilon=0.1)
>>> hamlet.envs.make("mpe/simple_spread", continuous=False).groups[0].names
('agent_0', 'agent_1', 'agent_2')
"""

__version__ = "0.1.0"

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hamlet import algorithms, envs, games, presets, tabular, testing
from hamlet.errors import RequestError, RunError
from hamlet.evaluation.evaluate import Evaluation
from hamlet.policy import Policy, load_policy
from hamlet.training.run import Run, resume, train

__all__ = [
    "Evaluation",
    "Policy",
    "RequestError",
    "Run",
    "RunError",
    "__version__",
    "algorithms",
    "envs",
    "evaluate",
    "export",
    "games",
    "load_policy",
    "presets",
    "replace",
    "resume",
    "tabular",
    "testing",
    "train",
]


def evaluate(
    run: str | Path,
    *,
    episodes: int = 100,
    seed: int = 1,
    deterministic: bool = True,
    best: bool = False,
    at_random: Sequence[str] = (),
    trust: bool = False,
    max_episode_steps: int | None = None,
) -> Evaluation:
    """Play whole episodes with a run's newest good checkpoint, or with its best policy.

    Args:
        run: The directory of a run.
        episodes: How many.
        seed: From which they are drawn.
        deterministic: The likeliest actions rather than samples.
        best: The best of the policies that were evaluated while it trained.
        at_random: Agents that act at random instead; `Evaluation.wins` says how often each agent won.
        trust: Whether code of its own that the run names may be run, though this user did not begin it here.
        max_episode_steps: Steps after which an episode is cut; None for as many as in the evaluations of the run's
            training: what the environment declares as its longest, or 10,000. `Evaluation.cut` says how many were.

    Raises:
        RequestError: If there is no run, it is not trusted, it has no best policy and that is asked for, or there is
            no such agent.
        RunError: If it has no good checkpoint, or the environment failed in more than a tenth of the episodes;
            `Evaluation.failed` says how many others failed, and were replaced.
    """
    mode = "deterministic" if deterministic else "stochastic"
    return Run(Path(run), trust).evaluate(
        episodes, seed, mode, best=best, at_random=tuple(at_random), max_episode_steps=max_episode_steps
    )


def export(
    run: str | Path,
    out: str | Path | None = None,
    *,
    formats: Sequence[str] | None = None,
    best: bool = False,
    trust: bool = False,
) -> Path:
    """Write each agent's policy alone, as files that need no Hamlet.

    Args:
        run: The directory of a run; its newest good checkpoint is taken.
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
    from hamlet.exporting.directory import export

    return export(run, out, formats=formats, best=best, trust=trust)
