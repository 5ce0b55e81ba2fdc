"""Episodes that an environment cuts short by failing are no results, and those that never end are cut and counted."""

from dataclasses import dataclass

import jax
import numpy as np
import pytest

from hamlet.envs.base import Outcome, View
from hamlet.envs.host import Step
from hamlet.errors import RunError
from hamlet.evaluation import evaluation_log
from hamlet.evaluation.evaluate import Evaluation, evaluate
from hamlet.networks.heads import Actor
from hamlet.networks.torso import NetworkConfig
from hamlet.rollouts import episodes as compiled
from hamlet.rollouts import record_episode
from hamlet.rollouts.host_episodes import HostEvaluationRollouts
from hamlet.rollouts.host_games import HostPlay
from hamlet.rollouts.host_rollout import Storage
from hamlet.rollouts.played import EpisodesFailed
from hamlet.roster import Group, Roster
from hamlet.spaces import Box, Discrete
from hostgames import Slide

BODY = NetworkConfig(hidden=(8,))
NEVER = 10**9


@dataclass(frozen=True)
class Scripted:
    """Episode e of copy c pays 1 a step to the first agent, and c + e / 100 to the second; what fails is written down.

    Attributes:
        length: Steps of an episode; of copy 1 twice as many.
        uneven: Whether episodes of copy c that are number e take 5c + 3e steps more.
        failing: (copy, episode, step): there the copy fails, at step 0 while it is reset.
        dies: (copy, episode, step) at which the copy fails for good.
        measures: Of which all but the first, the number of the step, are given in even episodes alone.
    """

    length: int = 3
    uneven: bool = False
    failing: tuple[tuple[int, int, int], ...] = ()
    dies: tuple[int, int, int] | None = None
    measures: tuple[str, ...] = ()

    @property
    def groups(self):
        return (Group(("payer", "counter"), Box(0, 1, (1,)), Discrete(2)),)

    @property
    def state_shape(self):
        return (1,)

    restorable, remarks = False, ()

    def blank(self, count):
        return {"episode": np.zeros(count, np.int32)}

    def open(self, seed, numbers):
        return ScriptedCopies(self, np.array(numbers))


class ScriptedCopies:
    def __init__(self, declared, numbers):
        self.declared, self.numbers, self.lines = declared, numbers, []

    def begin(self, episode):
        self.episode, self.time = episode - 1, np.zeros(len(self.numbers), int)
        return self.leave(np.ones(len(self.numbers), bool))

    def leave(self, copies):
        for copy in np.flatnonzero(copies):
            self.episode[copy] += 1
            while self.fails(copy, 0):
                self.episode[copy] += 1
        self.time[copies] = 0
        return self.view()

    def fails(self, copy, time):
        found = (int(copy), int(self.episode[copy]), int(time)) in self.declared.failing
        if found:
            self.lines.append(f"copy {copy} fell in episode {self.episode[copy]}")
        return found

    def view(self):
        count = len(self.numbers)
        return View((np.zeros((count, 2, 1), np.float32),), np.zeros((count, 1), np.float32), (None,), None)

    def send(self, actions):
        self.time += 1

    def receive(self):
        if self.declared.dies in [tuple(where) for where in zip(self.numbers, self.episode, self.time, strict=True)]:
            raise RunError("copy 0 is gone")
        failed = np.array([self.fails(copy, self.time[copy]) for copy in range(len(self.numbers))])
        over = ~failed & (self.time >= self.steps())
        reward = np.stack([np.ones(len(over)), (self.numbers + self.episode / 100) / np.maximum(self.time, 1)], 1)
        last = over[:, None] * np.array([0.0, 1.0]) * (self.numbers + self.episode / 100)[:, None]
        reward = np.float32(reward * np.array([1.0, 0.0]) + last)
        outcome = Outcome(reward, over, failed, failed=failed if failed.any() else None)
        values = [self.time, *(np.where(self.episode % 2, np.nan, 0.5) for _ in self.declared.measures[1:])]
        measures = np.stack(values, 1)[:, : len(self.declared.measures)].astype(float)
        return Step(self.view(), outcome, self.leave(over | failed), measures)

    def steps(self):
        steps = np.where(self.numbers == 1, 2, 1) * self.declared.length
        return steps + (5 * self.numbers + 3 * self.episode if self.declared.uneven else 0)

    def snapshot(self):
        return {"episode": self.episode.astype(np.int32)}

    def restore(self, snapshot):
        raise AssertionError("it cannot be put back")

    def failures(self):
        lines, self.lines = tuple(self.lines), []
        return lines

    def notes(self):
        return ()

    def close(self):
        pass


def play(env, count, horizon=1000):
    """Episodes of random play, and what is remarked; twenty copies play at once."""
    trials = HostEvaluationRollouts(env, Roster(env.groups), (), BODY, count, 1, "random", horizon=horizon)
    try:
        return trials.play((), 1, count), trials.remarks()
    finally:
        trials.close()


def numbered(played):
    """Of every episode its copy and its number."""
    return [tuple(map(int, divmod(round(100 * one), 100))) for one in played.returns[:, 1].tolist()]


def test_a_failed_episode_is_no_result_and_its_copy_plays_another_in_its_place():
    """Also where it failed at its reset, and the copy of long episodes as the others: no slot goes to a short one."""
    played, remarks = play(Scripted(failing=((0, 0, 2), (1, 1, 5), (7, 1, 0))), 40)
    wanted = {copy: [0, 1] for copy in range(20)} | {0: [1, 2], 1: [0, 2], 7: [0, 2]}
    assert numbered(played) == [(copy, number) for copy, numbers in wanted.items() for number in numbers]
    assert set(played.lengths[2:4]) == {6} and set(np.delete(played.lengths, [2, 3])) == {3}
    assert played.failed == 3 and not played.cut.any()
    assert played.remarks() == [
        "3 of 43 episodes failed and were replaced by others; first failure: copy 0 fell in episode 0"
    ]
    assert len(remarks) == 3


def test_every_copy_plays_its_share_however_long_its_episodes_are():
    """Not the episodes that end first: of these most would be those of the copies with short ones."""
    played, _ = play(Scripted(uneven=True), 45)
    assert numbered(played) == [(copy, number) for copy in range(15) for number in range(3)]
    lengths = [(6 if copy == 1 else 3) + 5 * copy + 3 * number for copy in range(15) for number in range(3)]
    assert played.lengths.tolist() == lengths


def test_what_fails_after_the_last_episode_that_is_wanted_is_not_counted():
    """Copy 1 takes twice as long: the others go on meanwhile."""
    played, _ = play(Scripted(failing=((5, 2, 1), (6, 2, 0), (7, 3, 2))), 40)
    assert played.failed == 0 and played.remarks() == []


def test_more_than_a_tenth_that_fail_end_the_evaluation():
    four = tuple((copy, 0, 1) for copy in range(4))
    assert play(Scripted(failing=four), 40)[0].failed == 4
    with pytest.raises(EpisodesFailed) as ended:
        play(Scripted(failing=(*four, (9, 1, 2))), 40)
    assert str(ended.value).startswith("5 of 24 episodes failed; of 40 requested episodes, at most 4 may fail")
    assert (ended.value.failed, ended.value.asked) == (5, 40) and isinstance(ended.value, RunError)
    with pytest.raises(EpisodesFailed, match=r"1 of 1 episodes failed; .* at most 0 may fail"):
        play(Scripted(failing=((0, 0, 1),)), 4)


def test_every_episode_failing_ends_the_evaluation_too():
    always = tuple((copy, number, 2) for copy in range(20) for number in range(50))
    with pytest.raises(EpisodesFailed, match="20 of 20 episodes failed"):
        play(Scripted(failing=always), 100)


def test_what_fails_for_good_says_how_many_episodes_failed():
    with pytest.raises(RunError, match=r"^copy 0 is gone; 2 of 21 episodes failed$"):
        play(Scripted(failing=((3, 0, 1),), dies=(0, 1, 2)), 40)


def test_episodes_that_never_end_are_cut_and_are_those_of_an_environment_that_cuts_them_itself():
    endless, _ = play(Scripted(length=NEVER), 40, horizon=7)
    assert (endless.lengths == 7).all() and endless.cut.all() and (endless.returns[:, 0] == 7).all()
    assert endless.remarks() == ["40 of 40 episodes were truncated after 7 steps; --max-episode-steps sets this limit"]
    long, _ = play(Scripted(length=4), 40, horizon=7)  # only copy 1 takes more than 7
    assert long.cut.tolist() == [copy == 1 for copy in range(20) for _ in range(2)]
    assert [number for _, number in numbered(long)][0:2] == [0, 1] and set(long.lengths) == {4, 7}


@pytest.fixture(scope="module")
def slides():
    """Random play of a game that ends after seven steps, and of one that never ends and is cut there."""
    found = []
    for env, horizon in ((Slide(7), 1000), (Slide(NEVER), 7)):
        found.append(compiled.episodes(env, Roster(env.groups), (), BODY, 5, 3, "random", horizon=horizon))
    return found


def test_compiled_episodes_that_never_end_are_cut_likewise(slides):
    whole, cut = slides
    assert (whole.lengths == 7).all() and not whole.cut.any() and whole.remarks() == []
    assert cut.cut.all() and np.array_equal(cut.returns, whole.returns) and np.array_equal(cut.lengths, whole.lengths)


def test_a_compiled_evaluation_of_what_never_ends_is_stopped_when_that_is_asked():
    env, calls = Slide(NEVER), []
    trials = compiled.compile_trials(env, Roster(env.groups), (), BODY, 3, "random", jax.devices()[0], horizon=NEVER)
    assert trials.play((), 0, 3, lambda: bool(calls.append(0)) or len(calls) > 3) is None and len(calls) == 4


def test_compiled_episodes_whose_returns_are_no_numbers_are_replaced_and_counted():
    def part(number, size):
        returns = np.full((size, 2), float(number))
        returns[: 2 if number == 0 else 0, 1] = np.nan
        over = np.ones(size, bool)
        state = compiled.EpisodesUnderWay.__new__(compiled.EpisodesUnderWay)
        for name, value in {"returns": returns, "lengths": np.full(size, 4), "over": over, "paid": {}}.items():
            object.__setattr__(state, name, value)
        return state

    played = compiled._gathered(part, ("left", "right"), 20, 1000, 9)
    assert played.failed == 2 and played.returns[:, 0].tolist() == [0.0] * 18 + [1.0] * 2
    assert played.failure == "the return of agent 'right' in episode 0 is nan"
    with pytest.raises(EpisodesFailed, match="2 of 19 episodes failed"):
        compiled._gathered(part, ("left", "right"), 19, 1000, 9)


def test_an_evaluation_holds_how_many_failed_and_were_cut_and_warns_of_both():
    env = Scripted(length=4, failing=((0, 0, 2),))
    actors = (
        jax.vmap(lambda key: Actor.create(key, Box(0, 1, (1,)), Discrete(2), BODY))(
            jax.random.split(jax.random.key(0), 2)
        ),
    )
    with pytest.warns(UserWarning) as said:
        found = evaluate(
            env, Roster(env.groups), actors, BODY, episodes=20, seed=1, mode="deterministic", max_episode_steps=7
        )
    assert (found.failed, found.cut, found.max_episode_steps) == (1, 1, 7)
    assert [str(one.message).removeprefix("evaluation of the deterministic policy: ") for one in said] == [
        "1 of 21 episodes failed and were replaced by others; first failure: copy 0 fell in episode 0",
        "1 of 20 episodes were truncated after 7 steps; --max-episode-steps sets this limit",
    ]
    assert Evaluation.of(np.zeros((2, 1)), np.ones(2, int), "random", 0).remarks == []


def test_a_failed_episode_has_no_part_in_the_return_of_training():
    env = Scripted()
    copies = env.open(0, range(2))
    view = copies.begin(np.zeros(2, int))
    play = HostPlay(np.array(0), {}, np.ones(2, bool), (None,), np.array([10.0, 100.0], np.float32))
    storage = Storage(Roster(env.groups), view, play, steps=3, length=1)
    for step, (failed, over) in enumerate([([0, 0], [0, 0]), ([1, 0], [1, 0]), ([0, 0], [1, 1])]):
        flags = np.array(failed, bool)
        outcome = Outcome(
            np.full((2, 2), 0.5, np.float32),
            np.array(over, bool) & ~flags,
            flags,
            failed=flags if any(failed) else None,
        )
        storage.after(step, slice(0, 2), Step(view, outcome, view))
    total, _, episodes = storage.tally(play)
    assert episodes.count == 2 and episodes.total == (0 + 1) + (100 + 3) and not total.any()


def test_an_evaluation_has_the_mean_of_each_measure_over_the_episodes_that_gave_it():
    """As last given in the episode, also where it was cut; what failed is no part of it."""
    env = Scripted(failing=((0, 0, 2),), measures=("steps", "half"))
    played, _ = play(env, 40, horizon=5)
    assert played.measures["steps"].tolist() == played.lengths.tolist() and played.cut.sum() == 2
    measured = Evaluation.of_played(played, "random", 1).measured
    assert measured["steps"].episodes == 40 and measured["steps"].mean == (38 * 3 + 2 * 5) / 40
    assert measured["steps"].standard_error == pytest.approx(np.std(played.lengths, ddof=1) / np.sqrt(40))
    assert measured["half"] == (20, 0.5, 0.0)
    point = evaluation_log.describe(Evaluation.of_played(played, "random", 1), 0, ("payer", "counter"))
    assert point["measures"]["half"] == {"episodes": 20, "mean": 0.5, "standard_error": 0.0}
    nothing, _ = play(Scripted(), 4)
    assert "measures" not in evaluation_log.describe(
        Evaluation.of_played(nothing, "random", 1), 0, ("payer", "counter")
    )


def test_measures_of_training_are_those_of_the_episodes_that_ended_in_the_rollout_and_did_not_fail():
    env = Scripted(failing=((0, 0, 2),), measures=("steps", "half"))
    copies = env.open(0, range(2))
    view = copies.begin(np.zeros(2, int))
    play = HostPlay(np.array(0), {}, np.ones(2, bool), (None,), np.zeros(2, np.float32))
    storage = Storage(Roster(env.groups), view, play, steps=6, length=1, measures=env.measures)
    for step in range(6):
        copies.send(())
        storage.after(step, slice(0, 2), copies.receive())
    measured = storage.measured()  # copy 0 failed after two steps, then played three; copy 1 played six
    assert measured == {"steps": (3 + 6) / 2, "half": 0.5}
    storage.terminated[:] = False
    assert np.isnan(list(storage.measured().values())).all()


def test_a_failed_episode_is_not_shown_and_an_endless_one_ends():
    moments = lambda env: record_episode.hosted(env, Roster(env.groups), (), BODY, 0, "random", horizon=6)  # noqa: E731
    assert len(list(moments(Scripted(length=NEVER)))) == 7
    with pytest.raises(RunError, match="the episode failed: copy 0 fell in episode 0"):
        list(moments(Scripted(failing=((0, 0, 2),))))
