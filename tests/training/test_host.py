"""Training on host environments: the same as compiled training, whatever the halves, and resumed exactly or said so."""

import re
import signal
import threading
import time
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamlet
import hostgames
from combinations import HOSTED
from games import MaskedRecurrent, Pot
from hamlet.backends import host_backend
from hamlet.backends.iteration import keys
from hamlet.backends.jax_backend import begin_training, iterate
from hamlet.checkpoints import checkpoint
from hamlet.envs.base import View
from hamlet.rollouts.host_games import Games, HostPlay
from hamlet.runs.metrics import Metrics
from hamlet.training.loop import Interrupted
from hamlet.training.run import SavedRun
from hostgames import OnHost, Ride, Slide
from offpolicy import ON_POLICY, UPDATES, remembering
from pieces import same

pytestmark = pytest.mark.usefixtures("programs_once")

COPIES, STEPS = 4, 12
BATCH = COPIES * STEPS
GAME = OnHost(MaskedRecurrent())


def declared(name="happo", **settings):
    size = {"hidden": (16,), "num_envs": COPIES, "rollout_length": STEPS}
    return hamlet.algorithms.make(name, **(size | settings))


def recurrent():
    return declared(rnn_size=8, sequence_length=6)


@pytest.fixture(autouse=True)
def nothing_stays_open():
    yield
    assert hostgames.OPEN == []


def train(env, path, *, algorithm=None, iterations=4, **options):
    options = {"quiet": True, "evaluate_episodes": 0} | options
    return hamlet.train(algorithm or declared(), env, steps=iterations * BATCH, out=path, **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run with memory, masks, deaths and both kinds of ends, never interrupted."""
    return train(GAME, tmp_path_factory.mktemp("whole") / "run", algorithm=recurrent(), seed=5)


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if s else ()) for n, s in HOSTED.items()])
def test_a_game_without_chance_teaches_the_same_on_the_host_as_compiled(tmp_path, name):
    algorithm = declared(name) if name in ON_POLICY else remembering(name)
    game = {"hatd3": Ride(), "qmix": hamlet.envs.make("matrix/climbing", rounds=3)}.get(name, Slide())
    run = train(OnHost(game), tmp_path / "a", algorithm=algorithm, seed=3)
    training = jax.jit(lambda: begin_training(algorithm, game, 3))()
    step = jax.jit(lambda training: iterate(algorithm, game, training)[0])
    for _ in range(4):
        training = step(training)
    ends = [t.learner for t in (run.training(), training)]
    for ours, theirs in zip(*map(jax.tree.leaves, ends), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    if name == "hatd3":  # three of the four iterations were not played to warm up
        assert all(int(learner.updates) == 3 * UPDATES for learner in ends)
    if name == "qmix":
        assert all(int(learner.updates) > UPDATES for learner in ends)


@pytest.mark.slow
def test_a_rollout_is_what_a_loop_over_copies_one_by_one_would_see():
    """Every array of the trajectory against games of one copy each, stepped with the actions that it holds."""
    algorithm, seed = recurrent(), 5
    program = host_backend.compile_program(algorithm, GAME, jax.devices()[:1], seed)
    try:
        training = program.place(host_backend.HostBackend(GAME).begin(algorithm)(seed))
        program.acting.begin(training.learner.team.actors, keys(training)[0])
        after, episodes = host_backend.rollout(
            program.games, program.acting, program.storage, training.play, host_backend.Stopwatch(), stop=bool
        )
        kept = eqx.tree_at(lambda t: t.memory, program.storage.trajectory(), None)
        kept = jax.tree.map(lambda a: np.array(a).reshape(STEPS, *a.shape[2:]), kept)
        memory = program.storage.memory
    finally:
        program.close()
    returns, ended = [], 0
    for copy in range(COPIES):
        games = GAME.open(seed, range(copy, copy + 1))
        view, start, total = games.begin(np.zeros(1, np.int32)), True, 0.0
        for step in range(STEPS):
            at = jax.tree.map(partial(one_of, step, copy), (kept.view, kept.arrival, kept.action))
            assert same(at[0], first(view)) and kept.start[step, copy] == start
            games.send(tuple(action[None] for action in at[2]))
            came = games.receive()
            assert same(at[1], first(came.arrival))
            outcome = first(came.outcome)
            np.testing.assert_array_equal(kept.reward[step, copy], outcome.reward)
            ends = (kept.terminated[step, copy], kept.truncated[step, copy])
            assert ends == (outcome.terminated, outcome.truncated)
            view, start, total = came.view, bool(outcome.terminated | outcome.truncated), total + outcome.reward.sum()
            if start:
                returns.append(total)
                ended, total = ended + 1, 0.0
        assert after.start[copy] == start and np.isclose(after.total[copy], total, atol=1e-5)
        assert after.snapshot["episode"][copy] == games.episode[0] and after.snapshot["time"][copy] == games.time[0]
        games.close()
    assert episodes.count == ended > COPIES
    np.testing.assert_allclose(episodes.total, sum(returns), rtol=1e-5)
    assert not memory[0][0].any() and memory[0][1].any()  # before the first chunk, and before the second


def one_of(step, copy, array):
    return array[step, copy]


def first(tree):
    return jax.tree.map(lambda leaf: leaf[0], tree)


@pytest.mark.slow
@pytest.mark.parametrize("parts", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_how_the_copies_are_cut_changes_nothing_but_rounding(tmp_path, monkeypatch, whole, parts):
    one = Games.__init__
    monkeypatch.setattr(Games, "__init__", lambda self, *given, **_: one(self, *given, parts=parts))
    cut = train(GAME, tmp_path / "a", algorithm=recurrent(), seed=5).training()
    for ours, theirs in zip(*(jax.tree.leaves((t.learner, t.play)) for t in (cut, whole.training())), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


def test_a_run_that_goes_on_ends_in_the_bits_of_one_that_never_stopped(tmp_path, whole):
    run = train(GAME, tmp_path / "a", algorithm=recurrent(), seed=5, iterations=2)
    before = run.training().play
    assert not before.start.all() and (before.snapshot["time"] > 0).any() and any(m.any() for m in before.memory)
    hamlet.resume(run.path, steps=4 * BATCH, quiet=True)
    assert same(run.training(), whole.training())


@pytest.mark.slow
def test_games_that_cannot_be_put_back_begin_their_next_episodes_and_the_run_says_so(tmp_path, capsys):
    run = train(OnHost(MaskedRecurrent(), restorable=False), tmp_path / "a", algorithm=recurrent(), iterations=2)
    assert "cannot be restored" not in capsys.readouterr().err
    left = run.training()
    hamlet.resume(run.path, steps=3 * BATCH, quiet=True)
    said = [line for line in capsys.readouterr().err.splitlines() if "cannot be restored" in line]
    assert said == [
        "the environment cannot be put back into an episode: "
        "every copy begins its next one, drawn from the run's seed 0"
    ]
    program = host_backend.compile_program(recurrent(), run.environment, jax.devices()[:1], 0)
    try:
        placed = program.place(left).play
    finally:
        program.close()
    assert (placed.snapshot["episode"] == left.play.snapshot["episode"] + 1).all()
    assert placed.start.all() and not placed.total.any() and not any(m.any() for m in placed.memory)


@pytest.mark.slow
def test_several_seeds_through_one_program_are_what_each_is_alone(tmp_path):
    from hamlet.runs.evaluation_schedule import EvaluationConfig
    from hamlet.training.run import train_seeds

    env, steps = OnHost(Slide()), 2 * BATCH
    paths = {seed: tmp_path / str(seed) for seed in (1, 2)}
    runs = train_seeds(
        declared(), env, seeds=paths, steps=steps, labels={}, asked=EvaluationConfig(episodes=0), quiet=True
    )
    alone = train(env, tmp_path / "alone", iterations=2, seed=2)
    assert same(runs[1].training(), alone.training()) and not same(runs[0].training(), alone.training())


@pytest.mark.slow
def test_copies_that_contradict_are_refused_and_a_name_takes_those_of_the_environment(tmp_path):
    three = OnHost(Slide(), copies=3)
    with pytest.raises(hamlet.RequestError, match=r"configured with copies=4 and the environment with copies=3"):
        train(three, tmp_path / "a")
    assert not (tmp_path / "a").exists()
    run = hamlet.train("maa2c", three, steps=1, out=tmp_path / "b", quiet=True, evaluate_episodes=0)
    assert run.algorithm.sampling.copies == 3


def test_an_environment_that_fails_stops_the_run_with_nothing_lost(tmp_path):
    with pytest.raises(hamlet.RunError) as stopped:
        train(OnHost(Slide(), fails_at=5), tmp_path / "a", checkpoint_every=100 * BATCH)
    said = re.fullmatch(
        r"copy 1 \(seed 0\) raised ValueError: as asked, in iteration 3; "
        r"the last good checkpoint is of step (\d+) in .*",
        str(stopped.value),
    )
    assert said and int(said[1]) == 2 * BATCH
    assert int(SavedRun(tmp_path / "a").training().iteration) == 2


@pytest.mark.slow
def test_rewards_that_only_change_hands_are_refused_and_leave_nothing(tmp_path):
    with pytest.raises(hamlet.RequestError, match="sum to a constant"):
        train(OnHost(Pot(constant_sum=True)), tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_where_the_time_goes_is_measured(whole):
    with Metrics(whole.directory.metrics) as metrics:
        spent = {name: metrics.read(f"time/{name}")[1] for name in ("act", "step", "wait", "learn")}
        rate = metrics.read("env_steps_per_second")[1]
        assert metrics.last("environment/failures") == 0.0
    assert all(len(seconds) == 4 and (seconds > 0).all() for seconds in spent.values())
    total = sum(spent.values())
    np.testing.assert_array_less(total.sum(), (BATCH / rate).sum() * 1.001)


class Slow(hostgames.OnHostCopies):
    """Takes a second for a step once it is asked to."""

    asked = threading.Event()

    def receive(self):
        if self.asked.is_set():
            time.sleep(0.2)
        return super().receive()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_run_that_is_asked_to_stop_within_a_rollout_throws_the_rollout_away(tmp_path, monkeypatch, number):
    monkeypatch.setattr(hostgames, "OnHostCopies", Slow)
    Slow.asked.clear()

    def ask():
        while not checkpoint.steps(tmp_path / "a" / "checkpoints"):
            time.sleep(0.01)
        Slow.asked.set()  # a rollout takes 5 seconds from here
        time.sleep(0.5)
        signal.raise_signal(number)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    with pytest.raises(Interrupted, match=r"stopped as requested at \d+ steps; the last good checkpoint"):
        train(OnHost(Slide()), tmp_path / "a", iterations=10_000, checkpoint_every=BATCH)
    ended = time.monotonic()
    thread.join()
    assert time.monotonic() - ended < 1.0
    run = SavedRun(tmp_path / "a")
    Slow.asked.clear()
    hamlet.resume(run.path, steps=(int(run.training().iteration) + 1) * BATCH, quiet=True)
    again = train(OnHost(Slide()), tmp_path / "b", iterations=int(run.training().iteration))
    assert same(run.training(), again.training())


@pytest.mark.slow
def test_an_evaluation_is_of_whole_episodes_and_random_play_respects_masks(whole):
    for mode in ("deterministic", "stochastic", "random"):
        found = whole.evaluate(30, 2, mode)
        assert found.agent_returns.shape == (30, 3) and set(found.lengths) <= {4, 6}
        assert same(found.returns, whole.evaluate(30, 2, mode).returns)


@pytest.mark.slow
def test_random_play_takes_what_is_available_only():
    from hamlet.backends.iteration import roster_of
    from hamlet.rollouts.episodes import choose

    env = MaskedRecurrent()
    view: View = jax.vmap(env.reset)(jax.random.split(jax.random.key(0), 500))[1]
    actions, _ = choose(
        roster_of(declared(), env),
        (),
        view.observation,
        view.available,
        view.alive,
        jnp.ones(500, bool),
        (),
        jax.random.key(1),
        mode="random",
    )
    allowed = np.asarray(view.available[0])
    taken = np.take_along_axis(allowed, np.asarray(actions[0])[..., None], -1)
    assert taken.all()
    ones = allowed.sum(-1) > 1
    assert 0.4 < (np.asarray(actions[0]) == allowed.argmax(-1))[ones].mean() < 0.6


def test_a_policy_of_a_host_run_acts_outside_of_it(whole):
    policy = hamlet.load_policy(whole.path)
    assert policy.agents == ("chooser_0", "chooser_1", "mover_0")
    assert set(policy.act({"mover_0": np.zeros(5, np.float32)})) == {"mover_0"}


def test_types_stay_as_the_environment_gives_them_and_wide_ones_are_halved():
    view = View((np.zeros((2, 1, 4), np.uint8), np.zeros((2, 3, 2), np.float64)), np.zeros((2, 5)), (None, None), None)
    groups = (
        hamlet.envs.base.Group(("a",), hamlet.spaces.Box(0, 255, (4,)), hamlet.spaces.Discrete(2)),
        hamlet.envs.base.Group(("b", "c", "d"), hamlet.spaces.Box(0, 1, (2,)), hamlet.spaces.Discrete(2)),
    )
    play = HostPlay(np.array(0), {}, np.ones(2, bool), (None, None), np.zeros(2, np.float32))
    storage = host_backend.Storage(hamlet.roster.Roster(groups), view, play, steps=3, length=1)
    kept = [leaf.dtype for leaf in storage.view.observation]
    assert kept == [np.uint8, np.float32] and storage.view.state.dtype == np.float32
