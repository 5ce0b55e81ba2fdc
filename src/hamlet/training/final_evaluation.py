"""Evaluate a run: compare the returns of its newest checkpoint, or of its best policy, with a random policy's."""

import contextlib
from dataclasses import dataclass
from functools import partial

import numpy as np

from hamlet.backends.iteration import roster_of
from hamlet.envs.host import AnyEnvironment
from hamlet.errors import RunError
from hamlet.evaluation import evaluation_log
from hamlet.evaluation.evaluate import Evaluation, Mode
from hamlet.evaluation.evaluate import evaluate as play
from hamlet.evaluation.evaluation_log import describe, points
from hamlet.evaluation.sides import ConstantSum, constant_sum, declared
from hamlet.rollouts.played import EpisodesFailed
from hamlet.runs.directory import RunDirectory
from hamlet.training.run import SavedRun

__all__ = ["Judgement", "describe", "judge", "points", "record"]


@dataclass(frozen=True)
class Judgement:
    """The evaluation of a checkpoint, and the evaluation of random actions from the same initial states.

    Attributes:
        step: Environment steps after which the policy was saved.
        evaluation: The evaluation of the policy.
        random: The evaluation of uniformly random actions.
        agents: The agents' names, in the order of ``agent_returns``.
        opposed: The sides of a constant-sum game, in which one side wins what the other sides lose; None otherwise.
        against_random: For every side, the evaluation in which this side uses the policy and all other agents act at
            random.
    """

    step: int
    evaluation: Evaluation
    random: Evaluation
    agents: tuple[str, ...]
    opposed: ConstantSum | None = None
    against_random: tuple[Evaluation, ...] = ()


def judge(
    run: SavedRun,
    *,
    episodes: int = 100,
    seed: int = 1,
    mode: Mode = "deterministic",
    best: bool = False,
    at_random: tuple[str, ...] = (),
    max_episode_steps: int | None = None,
    environment: AnyEnvironment | None = None,
) -> Judgement:
    """Play ``episodes`` whole episodes with a run's newest good checkpoint or best policy, and as many at random.

    The agents named in ``at_random`` act uniformly at random in all episodes. In a constant-sum game, where one side
    wins what the other sides lose, ``episodes`` more are played for every side: this side uses the policy, all other
    agents act at random. If too many episodes fail, the failure is recorded.

    With another ``environment`` than the run's, an episode may take as many steps as that environment allows, and
    nothing is recorded.

    Raises:
        RequestError: If ``episodes`` is not positive; if the run, its best policy or an agent does not exist; or if the
            policies cannot act in the environment.
        RunError: If the run has no good checkpoint, or too many episodes failed.
    """
    algorithm, env, cut = run.stage(environment, max_episode_steps)
    roster = roster_of(algorithm, env)
    actors, step = run.actors(best=best)
    how = {"episodes": episodes, "seed": seed, "max_episode_steps": cut}
    played = partial(play, env, roster, actors, algorithm.body, **how)
    results: list[Evaluation] = []
    policies: tuple[tuple[Mode, int], ...] = ((mode, step), ("random", 0))
    for policy, trained in policies:
        try:
            results.append(played(mode=policy, at_random=at_random))
        except EpisodesFailed as error:
            if not at_random and environment is None:
                with contextlib.suppress(RunError):  # report the first error, not a failure to record it
                    evaluation_log.record(run.directory, evaluation_log.describe_failed(error, trained, policy, seed))
            raise
    evaluation, random = results
    pooled = np.concatenate([evaluation.agent_returns, random.agent_returns])
    opposed = None if at_random else constant_sum(pooled, declared(env))
    against: list[Evaluation] = []
    for side in opposed.sides if opposed else ():
        others = tuple(name for k, name in enumerate(roster.names) if k not in side)
        against.append(played(mode=mode, at_random=others))
    return Judgement(step, evaluation, random, roster.names, opposed, tuple(against))


def record(directory: RunDirectory, judgement: Judgement) -> None:
    """Add the evaluation of the policy and of random actions to ``evaluation.json``.

    Raises:
        RunError: If the file cannot be read or written.
    """
    agents, opposed = judgement.agents, judgement.opposed
    evaluation_log.record(
        directory,
        describe(judgement.evaluation, judgement.step, agents, opposed, judgement.against_random),
        describe(judgement.random, 0, agents, opposed),
    )
