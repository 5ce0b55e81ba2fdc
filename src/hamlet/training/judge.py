"""The judgement of a run: its newest checkpoint's returns, or its best policy's, beside a random policy's."""

from dataclasses import dataclass

from hamlet.training.evaluate import Evaluation, Mode
from hamlet.training.evaluate import evaluate as play
from hamlet.training.learning import roster_of
from hamlet.training.recorded import describe, points, record
from hamlet.training.run import Run

__all__ = ["Judgement", "describe", "judge", "points", "record"]


@dataclass(frozen=True)
class Judgement:
    """What a checkpoint gave, and what random play gave from the same first states.

    Attributes:
        step: Environment steps of the policy.
        evaluation: Of its policy.
        random: Of uniform actions.
        agents: The agents' names, in the order of ``agent_returns``.
    """

    step: int
    evaluation: Evaluation
    random: Evaluation
    agents: tuple[str, ...]


def judge(
    run: Run,
    *,
    episodes: int = 100,
    seed: int = 1,
    mode: Mode = "deterministic",
    best: bool = False,
    at_random: tuple[str, ...] = (),
) -> Judgement:
    """Play whole episodes with a run's newest good checkpoint, or its best policy, and as many at random.

    The agents named in ``at_random`` act uniformly in all of them.

    Raises:
        RequestError: If there are to be no episodes, there is no run, no best policy, or no such agent.
        RunError: If it has no good checkpoint.
    """
    algorithm, env = run.declaration
    roster = roster_of(algorithm, env)
    actors, step = run.actors(best=best)
    evaluation, random = (
        play(env, roster, actors, algorithm.body, episodes=episodes, seed=seed, mode=how, at_random=at_random)
        for how in (mode, "random")
    )
    return Judgement(step, evaluation, random, roster.names)
