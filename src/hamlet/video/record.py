"""Record episodes of a run's policy as a video."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hamlet.arguments import checked
from hamlet.backends.iteration import roster_of
from hamlet.backends.select import backend_of
from hamlet.envs.host import AnyEnvironment
from hamlet.errors import require, unknown
from hamlet.evaluation.evaluate import Mode, horizon
from hamlet.rollouts.played import check_horizon
from hamlet.runs.seeds import check_seed
from hamlet.training.named_runs import named_run
from hamlet.training.run import SavedRun
from hamlet.video import files
from hamlet.video.captions import Captions, framed, returned
from hamlet.video.moments import Moment, moments
from hamlet.video.views import Viewpoint, view_of

__all__ = ["Recording", "record", "record_run", "write_episodes"]

# The width of pictures in pixels, by the file's suffix. A GIF stores every pixel of every frame, so it is smaller.
_WIDTHS = {".gif": 480, ".mp4": 640}
# The seconds for which the last frame of an episode is shown.
_REST = 1.0


@dataclass(frozen=True)
class Recording:
    """A video that was written.

    Attributes:
        path: The file.
        steps: The number of steps of every episode.
        agents: The agents, in the order of the returns.
        agent_returns: The return of each agent in every episode, ``[episodes, n]``.
        remark: A line on why the environment is not shown by its own rendering; empty if there is nothing to report.
    """

    path: Path
    steps: tuple[int, ...]
    agents: tuple[str, ...]
    agent_returns: np.ndarray
    remark: str = ""

    @property
    def returns(self) -> np.ndarray:
        """The team's return of every episode, ``[episodes]``."""
        return self.agent_returns.sum(-1)

    def summary(self) -> str:
        """Return one line with the file, and the steps and returns of every episode."""
        episodes = [
            f"{steps:,} steps, {returned(self.agents, returns)}"
            for steps, returns in zip(self.steps, self.agent_returns, strict=True)
        ]
        return f"wrote {self.path}: {'; '.join(episodes)}"


@checked
def record(
    run: Any,
    file: str | Path,
    *,
    episodes: int = 1,
    seed: int = 1,
    deterministic: bool = True,
    best: bool = False,
    at_random: Sequence[str] = (),
    trust: bool = False,
    max_episode_steps: int | None = None,
) -> Recording:
    """Play whole episodes with a run's newest valid checkpoint, or with its best policy, and write them as a video.

    The video shows the environment's own rendering (PettingZoo, MuJoCo), or drawings of its scenes. Below the picture,
    it shows the step and the return so far. The video has the speed of the environment: an episode lasts as long as the
    environment declares.

    Args:
        run: A run, its directory, or ``RUN/best`` for its best policy.
        file: The file to write, with suffix ``.gif`` or ``.mp4``; an existing file is replaced.
        episodes: The number of episodes, shown sequentially; at least 1.
        seed: The random seed of the episodes.
        deterministic: Whether to take the most probable actions instead of sampled actions.
        best: Whether to use the best of the policies that were evaluated during training.
        at_random: Agents that take random actions instead.
        trust: Whether to run the user code that the run names, although this user did not start the run here.
        max_episode_steps: The number of steps after which an episode is truncated; None for the limit of the run's
            evaluations.

    Raises:
        RequestError: There is no run, or it is not trusted; the best policy is requested and there is none; there is no
            such agent; the file has another suffix; Pillow or (for an MP4) PyAV is not installed; or the environment
            can be neither rendered nor drawn.
        RunError: The run has no valid checkpoint, the environment fails, or the file cannot be written.
    """
    named = named_run(run, best=best, trust=trust)
    return record_run(
        named.run,
        file,
        episodes=episodes,
        seed=seed,
        mode="deterministic" if deterministic else "stochastic",
        best=named.best,
        at_random=tuple(at_random),
        max_episode_steps=max_episode_steps,
    )


def record_run(
    run: SavedRun,
    file: str | Path,
    *,
    episodes: int = 1,
    seed: int = 1,
    mode: Mode = "deterministic",
    best: bool = False,
    at_random: tuple[str, ...] = (),
    max_episode_steps: int | None = None,
    environment: AnyEnvironment | None = None,
) -> Recording:
    """Record a video as `record` does, also in another ``environment`` than the run's.

    In another environment, episodes have at most that environment's number of steps.

    Raises:
        RequestError: As in `record`, or the policies cannot act in the environment.
        RunError: As in `record`.
    """
    path = Path(file)
    require(episodes >= 1, f"--video-episodes must be at least 1, got {episodes}")
    check_seed(seed)
    check_horizon(max_episode_steps)
    files.check(path)
    algorithm, env, cut = run.stage(environment, max_episode_steps)
    roster = roster_of(algorithm, env)
    for name in at_random:
        if name not in roster.names:
            raise unknown("agent", name, roster.names)
    actors, step = run.actors(best=best)
    view = view_of(env, _WIDTHS[path.suffix.lower()])
    config = run.directory.config()
    title = f"{config.get('algorithm_name')} on {config.get('environment_name')} · step {step:,}"
    title += "" if mode == "deterministic" else f" · {mode}"
    limit = horizon(env, cut)

    def play(number: int) -> Iterator[Moment]:
        place = backend_of(view.env)
        return moments(place.moments(roster, actors, algorithm.body, seed + number, mode, at_random, horizon=limit))

    try:
        ends = write_episodes(path, view, play, episodes, title, roster.names)
    finally:
        view.close()
    steps, returns = tuple(end.step for end in ends), np.stack([end.returns for end in ends])
    return Recording(path, steps, roster.names, returns, view.remark)


def write_episodes(
    path: Path, view: Viewpoint, play: Callable[[int], Iterator[Moment]], count: int, title: str, names: Sequence[str]
) -> list[Moment]:
    """Write some episodes; return the last moment of each."""
    opening = play(0)
    first = next(opening)
    pace = view.pace(first)
    captions = Captions(title, tuple(names), view.key(first, sorted(names)), bool(view.words(first)))
    ends: list[Moment] = []

    def images() -> Iterator[Any]:
        for number in range(count):
            episode = f"episode {number + 1} of {count}" if count > 1 else ""
            image = shot = None
            for shot in view.shots(play(number) if number else itertools.chain([first], opening), pace):
                image = framed(shot.picture, captions, shot.moment, shot.words, episode)
                yield image
            assert shot is not None
            ends.append(shot.moment)
            yield from (image,) * round(_REST * pace.rate)

    files.write(path, images(), pace.rate)
    return ends
