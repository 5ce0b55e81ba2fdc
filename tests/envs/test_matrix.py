"""Games of payoffs: what is paid, to whom, when it ends, and which joint actions are equilibria."""

import dataclasses
import itertools
import json
import re
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from documents import ROOT
from hamlet.envs import ENVIRONMENTS, copies, make
from hamlet.envs.base import KnownReturns, declared_returns
from hamlet.envs.matrix.payoff_games import Matrix, common_reward, equilibria, tabulate
from hamlet.errors import RequestError
from hamlet.spaces import Box, Discrete

ARRAYS = {"matrix/file": {"path": Path("game.json")}}
SMALL = sorted(name for name in ENVIRONMENTS if name.startswith(("matrix/", "game/")))
# What is known of each by hand: the team's best return, and the pure Nash equilibria.
KNOWN = {
    "matrix/climbing": (8, {(0, 0), (1, 1), (1, 2), (2, 1), (2, 2)}),
    "matrix/plateau": (12, {(0, 0), (1, 1), (1, 2), (2, 1), (2, 2)}),
    "matrix/penalty": (10, {(0, 0), (1, 1), (2, 2)}),
    "matrix/example_1": (2, {(0, 1), (1, 0)}),
    "matrix/stag_hunt": (8, {(0, 0), (1, 1)}),
    "matrix/prisoners_dilemma": (-2, {(1, 1)}),
    "matrix/matching_pennies": (0, set()),
    "matrix/chicken": (0, {(0, 1), (1, 0)}),
}


@pytest.fixture(autouse=True)
def _file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "game.json").write_text("[[1, 2], [3, 4]]")


def made(name, **options):
    return make(name, **ARRAYS.get(name, {}), **options)


def played(env, *actions):
    """Every agent's reward and whether the episode is over, of one round from the start."""
    state, _ = env.reset(jax.random.key(0))
    chosen = tuple(jnp.asarray(part) for part in actions)
    _, _, outcome = jax.jit(env.step)(jax.random.key(1), state, chosen)
    return np.asarray(outcome.reward).tolist(), bool(outcome.terminated), bool(outcome.truncated)


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_the_best_return_and_the_equilibria_are_those_known_by_hand(name):
    best, stable = KNOWN[name]
    payoffs = np.asarray(make(name).payoffs)
    assert payoffs.sum(0).max() == pytest.approx(best)
    assert set(equilibria(payoffs)) == stable


def test_equilibria_of_three_agents_are_those_of_a_slow_search():
    payoffs = np.random.default_rng(0).integers(0, 4, (3, 2, 3, 2)).astype(float)

    def stable(joint):
        for agent, count in enumerate(payoffs.shape[1:]):
            for other in range(count):
                moved = tuple(other if i == agent else a for i, a in enumerate(joint))
                if payoffs[(agent, *moved)] > payoffs[(agent, *joint)]:
                    return False
        return True

    slow = [joint for joint in itertools.product(range(2), range(3), range(2)) if stable(joint)]
    assert equilibria(payoffs) == slow and 0 < len(slow) < 12


def test_a_common_reward_is_shared_so_that_the_teams_return_is_the_payoff_of_the_table():
    assert played(make("matrix/climbing"), [0, 0]) == ([4.0, 4.0], True, False)
    assert played(make("matrix/climbing"), [0, 2]) == ([-6.0, -6.0], True, False)
    assert played(make("matrix/penalty", k=-30.0), [2, 0])[0] == [-15.0, -15.0]
    assert [sum(played(make("matrix/example_1"), joint)[0]) for joint in ([0, 0], [0, 1], [1, 0], [1, 1])] == [
        0.0,
        2.0,
        2.0,
        -1.0,
    ]


@pytest.mark.parametrize(
    ("name", "joint", "paid"),
    [
        ("matrix/stag_hunt", [0, 1], [0.0, 3.0]),
        ("matrix/prisoners_dilemma", [1, 0], [0.0, -3.0]),
        ("matrix/matching_pennies", [0, 1], [-1.0, 1.0]),
        ("matrix/chicken", [1, 0], [1.0, -1.0]),
        ("matrix/chicken", [1, 1], [-10.0, -10.0]),
    ],
)
def test_in_a_general_sum_game_each_agent_has_its_own_payoff_and_the_first_chooses_the_row(name, joint, paid):
    assert played(make(name), joint)[0] == paid


@pytest.mark.parametrize("agents", [2, 4, 6])
def test_example_2_pays_one_for_its_two_joint_actions_and_nothing_else(agents):
    env, half = make("matrix/example_2", agents=agents), agents // 2
    joints = list(itertools.product((0, 1), repeat=agents))
    state, _ = env.reset(jax.random.key(0))
    paid = jax.vmap(lambda joint: env.step(jax.random.key(0), state, (joint,))[2].reward)(jnp.asarray(joints))
    good = {(0,) * half + (1,) * half, (1,) * half + (0,) * half}
    np.testing.assert_allclose(paid.sum(1), [float(joint in good) for joint in joints], atol=1e-6)
    np.testing.assert_allclose(paid, np.asarray(env.payoffs).reshape(agents, -1).T, atol=1e-6)
    assert good <= set(equilibria(env.payoffs))
    assert float(paid.sum(1).mean()) == pytest.approx(2 / 2**agents)


def test_the_product_is_that_of_the_clipped_actions():
    assert played(make("game/product"), [[3.0], [-20.0]]) == ([-15.0, -15.0], True, False)
    assert make("game/product", bound=2.0).groups[0].action == Box(-2.0, 2.0, (1,))
    env = make("game/product_discrete")
    assert env.groups[0].action == Discrete(21)
    assert sum(played(env, [0, 0])[0]) == sum(played(env, [20, 20])[0]) == 100.0
    assert sum(played(env, [0, 20])[0]) == -100.0 and sum(played(env, [10, 3])[0]) == 0.0
    assert set(equilibria(env.payoffs)) == {(0, 0), (10, 10), (20, 20)}


def test_the_two_state_game_pays_in_the_first_state_until_it_is_left_and_is_truncated():
    env = make("game/two_state", horizon=5)
    state, view = env.reset(jax.random.key(0))
    assert view.state.tolist() == [1.0, 0.0] and view.observation[0].tolist() == [[1.0, 0.0]] * 2
    rewards, ends = [], []
    for joint in ([0, 0], [0, 1], [1, 1], [0, 0], [0, 1]):
        state, view, outcome = env.step(jax.random.key(0), state, (jnp.asarray(joint),))
        rewards.append(float(outcome.reward.sum()))
        ends.append((bool(outcome.terminated), bool(outcome.truncated)))
    assert rewards == [1000.0, 0.0, 0.0, 0.0, 0.0]
    assert view.state.tolist() == [0.0, 1.0]
    assert ends == [(False, False)] * 4 + [(False, True)]
    assert make("game/two_state").horizon == 50


def test_an_episode_terminates_after_its_rounds():
    env = make("matrix/stag_hunt", rounds=3)
    state, first = env.reset(jax.random.key(0))
    for over in (False, False, True):
        state, view, outcome = env.step(jax.random.key(0), state, (jnp.array([0, 0]),))
        assert (bool(outcome.terminated), bool(outcome.truncated)) == (over, False)
        assert view.state.tolist() == first.state.tolist()


def test_agents_of_equally_many_actions_are_a_group_and_each_keeps_its_own_payoff():
    payoffs = np.arange(3 * 2 * 3 * 2, dtype=float).reshape(3, 2, 3, 2)
    env = Matrix(tabulate(payoffs))
    assert [group.names for group in env.groups] == [("agent_0", "agent_2"), ("agent_1",)]
    for a, b, c in itertools.product(range(2), range(3), range(2)):
        u = payoffs[:, a, b, c]
        assert played(env, [a, c], [b])[0] == [u[0], u[2], u[1]]


@pytest.mark.parametrize("name", SMALL)
def test_a_game_is_hashable_and_the_same_when_made_again_and_compiles_once(name):
    env = made(name)
    assert hash(env) == hash(made(name)) and env == made(name)
    step = jax.jit(partial(copies.step, env))
    batch = copies.reset(env, jax.random.key(0), 4)
    actions = tuple(
        jnp.zeros((4, len(group.names), *group.action.shape), jnp.int32 if isinstance(group.action, Discrete) else None)
        for group in env.groups
    )
    for number in range(3):
        batch, _, outcome = step(jax.random.key(number), batch, actions)
    assert step._cache_size() == 1
    assert not any(leaf.weak_type for leaf in jax.tree.leaves((batch, outcome)))
    assert outcome.reward.shape == (4, sum(len(group.names) for group in env.groups))


def test_the_page_of_environments_says_what_the_enumeration_finds():
    text = (ROOT / "docs" / "environments.md").read_text(encoding="utf-8")
    for name in KNOWN:
        payoffs = np.asarray(make(name).payoffs)
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}`"))
        assert row.split("|")[-3].strip().replace("−", "-") == f"{payoffs.sum(0).max():g}"
        found = [tuple(map(int, pair)) for pair in re.findall(r"\((\d), (\d)\)", row.split("|")[-2])]
        assert found == equilibria(payoffs)


FILES = [
    ("game.txt", "x", "must be in a .json or .npy file, got game.txt"),
    ("gone.json", None, "gone.json cannot be read: No such file"),
    ("game.json", "{", "game.json contains no payoff table: Expecting property name"),
    ("game.json", "[[1, 2], [3]]", "its rows have different lengths"),
    ("game.json", '[["a", "b"], ["c", "d"]]', "write nested lists of numbers"),
    ("game.json", '{"payoffs": [1]}', "write nested lists of numbers"),
    ("game.json", "[[true, false], [true, true]]", "write nested lists of numbers"),
    ("game.json", "[[1, NaN], [2, 3]]", "payoffs must be finite"),
    ("game.json", "3", "game.json contains a single number"),
    ("game.json", "[]", "a payoff table of shape 0 has no entries"),
    ("game.npy", b"not an array", "game.npy contains no payoff table"),
    ("game.npy", np.zeros((400, 400)), "can have at most 100,000 entries, got 320,000"),
    ("game.npy", np.array([{}]), "game.npy contains no payoff table"),
]


@pytest.mark.parametrize(("name", "content", "message"), FILES, ids=lambda value: str(value)[:30])
def test_a_file_without_a_table_is_refused_in_one_line(tmp_path, name, content, message):
    path = tmp_path / name
    if isinstance(content, np.ndarray):
        np.save(path, content)
    elif content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RequestError) as refusal:
        make("matrix/file", path=path.relative_to(tmp_path))
    assert message in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_file_has_one_array_for_each_agent_or_one_for_the_team(tmp_path):
    own = [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]
    (tmp_path / "own.json").write_text(json.dumps(own))
    np.save(tmp_path / "own.npy", np.array(own))
    np.save(tmp_path / "team.npy", np.array([[8, -12, -12], [-12, 0, 0], [-12, 0, 0]]))
    path = tmp_path / "own.json"
    assert make("matrix/file", path=path) == make("matrix/file", path=tmp_path / "own.npy") == Matrix(tabulate(own))
    assert make("matrix/file", path=path, common=True) == Matrix(common_reward(own))  # of three agents
    assert make("matrix/file", path=tmp_path / "team.npy") == make("matrix/climbing")
    assert make("matrix/file", path=path, rounds=7).rounds == 7


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("matrix/climbing", {"rounds": 0}, "rounds must be at least 1, got 0"),
        ("matrix/example_2", {"agents": 3}, "agents must be even and at least 2, got 3; the nearest is 4"),
        ("matrix/example_2", {"agents": 0}, "agents must be even and at least 2, got 0; the nearest is 2"),
        ("matrix/penalty", {"k": float("inf")}, "payoffs must be finite, but at least one is NaN or infinite"),
        ("game/product", {"bound": 0.0}, "bound must be a finite number above 0, got 0.0"),
        ("game/product_discrete", {"bound": 0}, "bound must be at least 1, got 0"),
        ("game/two_state", {"horizon": 0}, "horizon must be at least 1, got 0"),
        ("game/two_state", {"reward": float("nan")}, "reward must be finite, got nan"),
    ],
)
def test_a_value_out_of_range_is_refused_in_one_line(name, options, message):
    with pytest.raises(RequestError) as refusal:
        make(name, **options)
    assert str(refusal.value) == message


TABLED = [*sorted(KNOWN), "matrix/example_2", "matrix/file", "game/product_discrete"]


@pytest.mark.parametrize("name", TABLED)
def test_the_returns_that_a_game_declares_are_those_of_its_table_for_all_rounds(name):
    team, known = np.asarray(made(name).payoffs).sum(0), made(name, **rounds(name, 3)).known_returns
    if name == "matrix/matching_pennies":
        assert known is None  # no play is better than another
        return
    times = 3 if rounds(name, 3) else 1
    assert known.optimum == pytest.approx(times * team.max()) and known.random == pytest.approx(times * team.mean())


def rounds(name, count):
    return {"rounds": count} if name.startswith(("matrix/", "game/product")) else {}


def test_the_returns_that_the_other_games_declare_are_those_of_every_joint_play():
    assert make("game/product", bound=3.0, rounds=2).known_returns == KnownReturns(18.0, 0.0)
    game, plays = make("game/two_state", reward=8.0, horizon=3), list(itertools.product((0, 1), repeat=2))
    paid = []
    for moves in itertools.product(plays, repeat=3):
        paid.append(8.0 * sum(move == (0, 0) and (1, 1) not in moves[:step] for step, move in enumerate(moves)))
    assert dataclasses.astuple(game.known_returns) == pytest.approx((max(paid), np.mean(paid)))
    assert make("game/two_state", reward=-8.0).known_returns.optimum == 0.0
    assert make("game/two_state", reward=0.0).known_returns is None
    assert make("game/memory").known_returns == KnownReturns(1.0, 0.5)
    assert declared_returns(make("mpe/simple_spread")) is None


def test_payoffs_that_differ_by_rounding_alone_are_equal_where_equilibria_are_sought():
    payoffs = common_reward([[0.3, 0.1], [0.1 + 0.2, 0.0]])  # 0.30000000000000004
    assert equilibria(payoffs) == [(0, 0), (1, 0)]
