"""Checkers and Switch against transcripts of ma-gym itself, and against the best that can be had in them."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ma_gym_transcripts as ma_gym
from hamlet.envs import copies, make
from hamlet.envs.grid.checkers import CheckersState
from hamlet.envs.grid.switch import SwitchState
from hamlet.errors import RequestError

NAMES = [*ma_gym.CHECKERS, *ma_gym.SWITCH]
# Sums over agents of what the plans earn: 9 apples, 3 lemons, 37 steps; 17, 26 and 39 steps that are paid for.
BEST = {"checkers-5": 41.26, "checkers-10": 86.26, "switch-2": 8.3, "switch-3": 12.4, "switch-4": 16.1}
STARTS, GOALS = [(0, 1), (0, 5), (2, 1), (2, 5)], [(0, 6), (0, 0), (2, 6), (2, 0)]


@pytest.fixture(scope="module")
def kept():
    with np.load(ma_gym.RECORD) as file:
        return {
            name: {key.split("/")[1]: file[key] for key in file.files if key.startswith(f"{name}/")} for name in NAMES
        }


def made(name, **options):
    if name in ma_gym.CHECKERS:
        return make("grid/checkers", pay=float(ma_gym.CHECKERS[name]), **options)
    return make("grid/switch", agents=ma_gym.SWITCH[name], **options)


def replayed(env, moves, fresh):
    """Every step of one game, begun anew where it is said."""
    start = env.reset(jax.random.key(0))[0]

    def advance(state, step):
        move, anew = step
        state = jax.tree.map(lambda first, now: jnp.where(anew, first, now), start, state)
        state, view, outcome = env.step(jax.random.key(0), state, (move,))
        return state, (state, view, outcome)

    return jax.jit(lambda *steps: jax.lax.scan(advance, start, steps)[1])(jnp.asarray(moves, jnp.int32), fresh)


def home(name, told):
    """Whether each agent of Switch is where it wants to be."""
    return (told["position"] == GOALS[: ma_gym.SWITCH[name]]).all(-1)


def finished(name, told):
    """After which steps nothing is left to be done, by what ma-gym keeps."""
    return home(name, told).all(-1) if name in ma_gym.SWITCH else ~(told["cells"] == 2).any((1, 2))


@pytest.mark.parametrize("name", NAMES)
def test_whole_episodes_are_those_of_ma_gym_and_the_first_earns_the_optimum(kept, name):
    told, env = kept[name], made(name)
    state, view, outcome = replayed(env, told["moves"], told["fresh"])
    np.testing.assert_array_equal(state.position, told["position"])
    np.testing.assert_allclose(view.observation[0], told["seen"] / 100, rtol=0, atol=1e-7)
    np.testing.assert_allclose(outcome.reward, told["reward"], rtol=0, atol=1e-6)
    over = told["done"].all(-1)
    np.testing.assert_array_equal(outcome.terminated, finished(name, told))
    np.testing.assert_array_equal(outcome.truncated, over & ~finished(name, told))
    first = env.reset(jax.random.key(0))[1].observation[0]
    np.testing.assert_allclose(first, told["first"] / 100, rtol=0, atol=1e-7)
    assert np.array_equal(told["fresh"][1:], over[:-1]) and over[-1]
    assert min(outcome.terminated.sum(), outcome.truncated.sum()) > (0 if name == "switch-4" else 3)
    if name in ma_gym.CHECKERS:
        np.testing.assert_array_equal(state.food, np.isin(told["cells"], (1, 2))[:, :, :6])
        paid = {round(float(paid), 2) for paid in np.unique(told["reward"])}
        assert paid >= {-env.pay - 0.01, env.pay - 0.01, -1.01, 0.99}
    else:
        # ma-gym calls everybody done when the time is up.
        np.testing.assert_array_equal(view.alive, ~home(name, told))
        np.testing.assert_array_equal(told["done"], ~view.alive | outcome.truncated[:, None])
    # The first episode is the best plan.
    (length, *_) = np.flatnonzero(over) + 1
    assert told["moves"][:length].tolist() == [list(map(int, word)) for word in ma_gym.PLANS[name].split()]
    assert (
        float(outcome.reward[:length].sum()) == pytest.approx(BEST[name], abs=1e-4) and outcome.terminated[length - 1]
    )


def test_cells_seen_as_numbers_are_those_that_ma_gym_keeps(kept):
    told = kept["checkers-5"]
    _, view, _ = replayed(made("checkers-5", coded=True), told["moves"], told["fresh"])
    ringed = np.pad(told["cells"], ((0, 0), (1, 1), (1, 1)))
    for step in range(0, len(ringed), 3):
        for agent, (row, column) in enumerate(told["position"][step]):
            seen = np.asarray(view.observation[0][step, agent])
            np.testing.assert_array_equal(seen[2:].reshape(3, 3), ringed[step, row : row + 3, column : column + 3])
            np.testing.assert_allclose(seen[:2] * 100, told["seen"][step, agent, :2], atol=1e-4)


@pytest.mark.parametrize("agents", [2, *(pytest.param(count, marks=pytest.mark.slow) for count in (3, 4))])
def test_no_play_of_switch_earns_more_than_the_plan(agents):
    """By value iteration over all places of the agents and all joint moves."""
    env = make("grid/switch", agents=agents)
    walkable = [(row, column) for row, column in np.ndindex(3, 7) if row == 1 or not 2 <= column <= 4]
    number = np.full((3, 7), -1)
    number[tuple(np.transpose(walkable))] = range(len(walkable))
    weights = jnp.asarray(len(walkable) ** np.arange(agents), jnp.int32)
    places = np.array(list(itertools.product(walkable, repeat=agents)))[:, ::-1]
    moves = jnp.asarray(list(itertools.product(range(5), repeat=agents)), jnp.int32)

    def brought(place, move):
        state, _, outcome = env.step(jax.random.key(0), SwitchState(place, jnp.int32(0)), (move,))
        after = (jnp.asarray(number)[state.position[:, 0], state.position[:, 1]] * weights).sum()
        return after, outcome.reward.sum()

    # Two agents in one place can be left out, or not: nothing leads there.
    table = jax.jit(
        lambda places: jax.lax.map(lambda one: jax.vmap(brought, (None, 0))(one, moves), places, batch_size=64)
    )
    after, reward = table(jnp.asarray(places, jnp.int32))
    better = jax.jit(lambda value: (reward + value[after]).max(1))
    value = jnp.zeros(len(places))
    for _ in range(20):
        value = better(value)
    first = sum(int(number[place]) * len(walkable) ** agent for agent, place in enumerate(STARTS[:agents]))
    assert places[first].tolist() == [list(place) for place in STARTS[:agents]]
    assert float(value[first]) == pytest.approx(BEST[f"switch-{agents}"], abs=1e-4)
    assert jnp.array_equal(better(value), value)
    # From no place is it better to be cut short, so that a limit of time raises nothing.
    apart = [len(set(map(tuple, place))) == agents for place in places]
    assert float(value[np.array(apart)].min()) >= 0


# What bars the way: with fewer lemons, or other three, an apple cannot be reached.
BARRING = frozenset({(1, 0), (1, 2), (1, 4)})
FRUITS = {(row, column): (row + column) % 2 == 0 for row, column in np.ndindex(3, 6)}


def around(place):
    row, column = place
    near = ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1))
    return [(r, c) for r, c in near if 0 <= r < 3 and 0 <= c < 8]


def apples_reached(lemons):
    """How many apples agent 0 can reach where these lemons are gone."""
    free = {place for place in np.ndindex(3, 8) if FRUITS.get(place, True) or place in lemons}
    seen, rest = {(0, 6)}, [(0, 6)]
    while rest:
        fresh = {place for place in around(rest.pop()) if place in free} - seen
        seen, rest = seen | fresh, [*rest, *fresh]
    return sum(FRUITS.get(place, False) for place in seen)


def fewest_steps():
    """In which agent 0 eats all apples and agent 1 the lemons that bar the way, by breadth-first search."""
    apples = frozenset(place for place, apple in FRUITS.items() if apple)
    walkable = {place for place in np.ndindex(3, 8) if FRUITS.get(place, True) or place in BARRING}
    ways = {place: [place, *(near for near in around(place) if near in walkable)] for place in walkable}
    start = ((0, 6), (2, 6), apples | BARRING)
    seen, frontier = {start}, {start}
    for step in itertools.count(1):
        reached = set()
        for first, second, left in frontier:
            for there in ways[first]:
                if there == second or there in left & BARRING:
                    continue
                after = left - {there}
                reached |= {
                    (there, other, after - {other})
                    for other in ways[second]
                    if other != there and other not in after & apples
                }
        frontier = reached - seen
        seen |= frontier
        if any(not left & apples for _, _, left in frontier):
            return step


def test_no_play_of_checkers_earns_more_than_the_plan():
    """Agent 0 eats all apples, agent 1 the only three lemons behind which all can be reached, in the fewest steps."""
    lemons = [place for place, apple in FRUITS.items() if not apple]
    assert [set(some) for some in itertools.combinations(lemons, 3) if apples_reached(some) == 9] == [set(BARRING)]
    # With ever fewer lemons at least 2, 5 and 8 apples stay, which costs more than the lemons and the time.
    most = [max(apples_reached(some) for some in itertools.combinations(lemons, count)) for count in range(3)]
    assert most == [1, 4, 7] and fewest_steps() == 37
    for pay in (2.0, 5.0, 10.0):
        best = make("grid/checkers", pay=pay).known_returns.optimum
        assert best == pytest.approx(9 * pay - 3 - 0.74)
        # Nor does another lemon, or an apple for agent 1 that is paid less, pay for the steps that it saves.
        others = [apples * pay - count for count, apples in enumerate(most)]
        assert best > max(*others, 9 * pay - 4, 8 * pay + 1 - 3)


@pytest.mark.parametrize("name", NAMES)
def test_the_environment_declares_the_best_return_where_episodes_are_long_enough_for_it(name):
    steps = len(ma_gym.PLANS[name].split())
    assert made(name).known_returns.optimum == pytest.approx(BEST[name])
    assert made(name, max_steps=steps).known_returns is not None
    assert made(name, max_steps=steps - 1).known_returns is None


def test_checkers_declares_nothing_where_agent_1_might_better_eat_apples():
    assert make("grid/checkers", pay=1.5).known_returns is None


def test_agents_move_in_the_order_of_their_numbers():
    """The second may enter the cell that the first has just left, and not the other way round."""
    env, food = make("grid/checkers"), jnp.zeros((3, 6), bool).at[0, 0].set(True)
    for places, after in (([(1, 2), (1, 3)], [[1, 1], [1, 2]]), ([(1, 3), (1, 2)], [[1, 3], [1, 1]])):
        state = CheckersState(jnp.asarray(places, jnp.int32), food, jnp.int32(5))
        state, _, _ = env.step(jax.random.key(0), state, (jnp.array([1, 1]),))
        assert state.position.tolist() == after


def test_the_last_apple_in_the_last_step_terminates_and_does_not_truncate():
    env = make("grid/checkers", max_steps=6)
    state = CheckersState(jnp.array([(0, 1), (2, 6)]), jnp.zeros((3, 6), bool).at[0, 0].set(True), jnp.int32(5))
    _, view, outcome = env.step(jax.random.key(0), state, (jnp.array([1, 4]),))
    assert (bool(outcome.terminated), bool(outcome.truncated)) == (True, False)
    assert np.allclose(outcome.reward, [4.99, -0.01]) and float(view.state.sum()) == 2.0


def test_the_critic_sees_where_all_are_and_what_is_left():
    state = CheckersState(jnp.array([(0, 1), (2, 6)]), jnp.zeros((3, 6), bool).at[1, 4].set(True), jnp.int32(5))
    whole = make("grid/checkers")._view(state).state
    assert np.flatnonzero(whole).tolist() == [1, 24 + 2 * 8 + 6, 48 + 1 * 6 + 4] and whole.shape == (66,)
    whole = make("grid/switch", agents=2)._view(SwitchState(jnp.array([(1, 3), (0, 0)]), jnp.int32(5))).state
    assert np.flatnonzero(whole).tolist() == [7 + 3, 21] and whole.shape == (42,)


@pytest.mark.parametrize("name", ["checkers-5", "switch-4"])
def test_a_step_is_compiled_once_and_an_ended_copy_begins_anew(name):
    env = made(name, max_steps=3)
    step = jax.jit(lambda key, batch, moves: copies.step(env, key, batch, moves))
    batch = copies.reset(env, jax.random.key(0), 4)
    first = jax.tree.map(np.asarray, batch)
    for number in range(3):
        moves = jnp.full((4, len(env.groups[0].names)), 1, jnp.int32)
        batch, final, outcome = step(jax.random.key(number), batch, (moves,))
    assert step._cache_size() == 1 and outcome.truncated.all()
    assert not any(leaf.weak_type for leaf in jax.tree.leaves((batch, outcome, final)))
    jax.tree.map(np.testing.assert_array_equal, jax.tree.map(np.asarray, batch), first)
    assert not np.array_equal(final.observation[0], first.view.observation[0])


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("grid/checkers", {"pay": 0.0}, "pay must be a finite number above 0, got 0.0; the paper has 5"),
        ("grid/checkers", {"pay": float("inf")}, "pay must be a finite number above 0, got inf; the paper has 5"),
        ("grid/checkers", {"max_steps": 0}, "max_steps must be at least 1, got 0"),
        ("grid/switch", {"agents": 1}, "agents must be 2 to 4, got 1; the nearest is 2"),
        ("grid/switch", {"agents": 5}, "agents must be 2 to 4, got 5; the nearest is 4"),
        ("grid/switch", {"max_steps": 0}, "max_steps must be at least 1, got 0"),
    ],
)
def test_a_value_out_of_range_is_refused_in_one_line(name, options, message):
    with pytest.raises(RequestError) as refusal:
        make(name, **options)
    assert str(refusal.value) == message
