"""What an observation and an action go through between an environment and a network, and what is refused in a line."""

import re
from dataclasses import astuple

import gymnasium.spaces as gym
import numpy as np
import pytest
from pettingzoo import ParallelEnv

from hamlet.envs.conversion import Broken, SpaceKind, action, entry, kind_of, masked, observed
from hamlet.envs.pettingzoo import shared_block
from hamlet.envs.pettingzoo.batch_validation import Lookout, fault
from hamlet.envs.pettingzoo.description import describe
from hamlet.envs.pettingzoo.env_driver import EnvDriver, parallel
from hamlet.envs.pettingzoo.environment import PettingZoo
from hamlet.spaces import Box, Composite, Discrete

ACTIONS = [
    gym.Discrete(3, start=5),
    gym.Discrete(1),
    gym.MultiDiscrete([2, 4]),
    gym.MultiDiscrete([[2, 2], [3, 3]], start=[[1, 0], [0, 7]]),
    gym.MultiBinary((2, 2)),
    gym.Box(-1, 1, (), np.float32),
    gym.Box(np.array([-0.1, -2.0]), np.array([0.1, 0.3]), (2,), np.float64),
    gym.Box(-1, 1, (2, 2), np.float16),
    gym.Box(-np.inf, np.inf, (3,), np.float32),
]
SEEN = [
    *ACTIONS,
    gym.Box(-9, -3, (2,), np.int64),
    gym.Box(0, 1, (2, 2, 2, 2), np.float32),
    gym.Box(0, 255, (8, 9, 3), np.uint8),
    gym.Box(0, 255, (3, 9, 8), np.uint8),
    gym.Box(0, 255, (9, 8), np.uint8),
    gym.Dict({"a": gym.Discrete(3, start=2), "b": gym.Tuple([gym.MultiBinary(2), gym.Box(0, 1, (2, 2))])}),
]


def said(space):
    return " ".join(str(space).split())[:60]


@pytest.mark.parametrize("space", ACTIONS, ids=said)
def test_every_action_lies_in_the_space_of_the_environment_alone_and_in_a_batch(space):
    kind, random = kind_of(space, "the action space of agent 'a'"), np.random.default_rng(0)
    for _ in range(20):
        rows = [random.integers(kind.sizes).astype(np.int32) for _ in range(3)]
        if kind.name == "Box":
            rows = [random.normal(0, 9, kind.inner_shape).astype(np.float32) for _ in range(3)]
        rows = np.stack([row.reshape(kind.inner_shape) for row in rows])
        given = [action(kind, row) for row in rows]
        assert all(space.contains(value) for value in given), given
        assert (action(kind, rows) == np.stack(given)).all()


def test_choices_begin_where_the_space_begins_and_keep_their_places():
    assert [action(kind_of(gym.Discrete(3, start=5), ""), np.int32(k)) for k in range(3)] == [5, 6, 7]
    kind = kind_of(ACTIONS[3], "")
    assert action(kind, np.array([0, 1, 2, 0], np.int32)).tolist() == [[1, 1], [2, 7]]
    assert observed(kind, "a", np.array([[1, 1], [2, 7]])).tolist() == [0, 1, 2, 0]
    with pytest.raises(Broken, match=r"agent 'a' is 8, which is not one of the values of its space"):
        observed(kind_of(gym.Discrete(3, start=5), ""), "a", 8)


@pytest.mark.parametrize("space", SEEN, ids=said)
def test_every_observation_is_read_alone_and_in_a_batch_in_the_shape_that_is_declared(space):
    kind = kind_of(space, "the observation space of agent 'a'").read("auto")
    assert SpaceKind.of(astuple(kind)) == kind
    space.seed(3)
    samples = [space.sample() for _ in range(4)]
    rows = [observed(kind, "a", sample) for sample in samples]
    assert all(row.shape == kind.inner_shape and row.dtype == kind.inner_dtype for row in rows)

    def stacked(parts):
        if isinstance(parts[0], dict):
            return {key: stacked([part[key] for part in parts]) for key in parts[0]}
        if isinstance(parts[0], tuple):
            return tuple(stacked(list(part)) for part in zip(*parts, strict=True))
        return np.stack(parts)

    assert (observed(kind, "a", stacked(samples), lead=1) == np.stack(rows)).all()


def test_parts_stand_side_by_side_with_choices_one_hot_and_an_entry_is_named_as_the_environment_has_it():
    kind = kind_of(SEEN[-1], "")
    row = observed(kind, "a", {"a": 3, "b": (np.array([1, 0]), np.array([[0.1, 0.2], [0.3, 0.4]]))})
    np.testing.assert_allclose(row, [0, 1, 0, 0, 1, 1, 0, 0.1, 0.2, 0.3, 0.4])
    assert [entry(kind, (k,)) for k in (1, 4, 9)] == ["['a']", "['b'][0]", "['b'][1][1, 0]"]
    with pytest.raises(Broken, match="the observation of agent 'a' has no entry 'b', which its space has"):
        observed(kind, "a", {"a": 3})
    with pytest.raises(
        Broken, match=r"agent 'a', its part 'b', its part 1, has shape \(3,\), but its space has shape \(2, 2\)"
    ):
        observed(kind, "a", {"a": 3, "b": (np.zeros(2, int), np.zeros(3))})


PICTURES = {
    (8, 9, 3): ("", False),
    (84, 84, 3): ("", False),
    (13, 13, 5): ("", False),
    (3, 48, 48): ("channels_first", True),
    (3, 48, 64): ("channels_first", True),
    (12, 10, 10): ("channels_first", True),
    (4, 7, 7): ("channels_first", True),
    (5, 4, 2): ("", True),
    (9, 9, 9): ("", True),
    (40, 40): ("grey", True),
    (128,): ("", True),
    (4, 84, 84, 1): ("", True),
}


@pytest.mark.parametrize("shape", PICTURES, ids=str)
def test_the_layout_of_a_picture_is_told_by_its_shape_or_the_line_says_what_was_taken(shape):
    kind = kind_of(gym.Box(0, 255, shape, np.uint8), "")
    layout, doubtful = PICTURES[shape]
    assert kind.read("auto").layout == layout
    assert bool(list(kind.doubts("auto"))) == doubtful
    for asked in ("channels_last", "channels_first", "none"):
        assert not list(kind.doubts(asked))
    if len(shape) == 3:
        first, second, third = shape
        assert kind.read("channels_first").inner_shape == (second, third, first)
        assert kind.read("channels_last").inner_shape == shape
        assert kind.read("none").inner_shape == (first * second * third,)


def test_a_picture_with_its_channels_first_is_turned_and_not_only_relabelled():
    picture = np.arange(3 * 9 * 8, dtype=np.uint8).reshape(3, 9, 8)
    turned = observed(kind_of(gym.Box(0, 255, (3, 9, 8), np.uint8), "").read("auto"), "a", picture)
    assert turned.shape == (9, 8, 3) and (turned[4, 5] == picture[:, 4, 5]).all() and turned.dtype == np.uint8


REFUSED = [
    (gym.Box(-1, 1, (0,), np.float32), "which has no entries; give it at least one entry"),
    (gym.Dict({}), "has no entries"),
    (gym.Text(4), "use Box, Discrete"),
    (gym.Sequence(gym.Discrete(2)), "use Box, Discrete"),
    (gym.Graph(gym.Discrete(2), None), "use Box, Discrete"),
    (gym.Dict({"words": gym.Text(4)}), "its part 'words', is Text"),
]


@pytest.mark.parametrize(("space", "why"), REFUSED, ids=[said(space) for space, _ in REFUSED])
def test_a_space_that_cannot_be_seen_is_refused_in_one_line_with_the_agent(space, why):
    with pytest.raises(Broken, match="the observation space of agent 'a'") as refusal:
        kind_of(space, "the observation space of agent 'a'")
    assert why in str(refusal.value) and "\n" not in str(refusal.value)


class Game(ParallelEnv):
    """Two agents, twenty steps; what they see and do is given."""

    metadata = {"name": "game"}  # noqa: RUF012
    possible_agents = ["a", "b"]  # noqa: RUF012

    def __init__(self, seen=None, acts=None, values=None):
        self.seen, self.acts = seen or gym.Box(-1, 1, (3,), np.float32), acts or gym.Discrete(2)
        self.values = values or (lambda game, agent: np.full(3, 0.1 * game.time, np.float32))

    def observation_space(self, agent):
        return self.seen

    def action_space(self, agent):
        return self.acts

    def show(self):
        return {agent: self.values(self, agent) for agent in self.agents}

    def reset(self, seed=None, options=None):
        self.agents, self.time = list(self.possible_agents), 0
        return self.show(), {agent: {} for agent in self.agents}

    def step(self, actions):
        assert set(actions) == set(self.agents)
        assert all(self.acts.contains(value) for value in actions.values()), actions
        self.time += 1
        rewards = {agent: float(self.time) for agent in actions}
        ends, cuts = {agent: False for agent in self.agents}, {agent: self.time >= 20 for agent in self.agents}
        self.leave(ends)
        seen, infos = self.show(), {agent: {} for agent in self.agents}
        if self.time >= 20:
            self.agents = []
        return seen, rewards, ends, cuts, infos

    def leave(self, ends):
        """Nobody."""


class Returning(Game):
    """One agent dies in step 5 and is back in step 8."""

    def leave(self, ends):
        if self.time == 5:
            ends["b"], _ = True, self.agents.remove("b")
        if self.time == 8:
            self.agents.append("b")


class Seat:
    """One copy in this process."""

    def __init__(self, env, pictures="auto"):
        description = describe(parallel(env), 0)
        self.declared = PettingZoo(factory="game:Game", description=description, pictures=pictures)
        plan = self.declared.plan
        wanted = shared_block.arrays(plan, 1)
        self.arrays = shared_block.attach(shared_block.allocate(shared_block.size(wanted)), wanted)
        self.rows = {name: array[0, ...] for name, array in self.arrays.items()}
        self.notes = {}
        self.player = EnvDriver(parallel(env), plan, self.rows)

    def fault(self, time):
        self.view = Lookout(self.declared.groups, self.declared.plan, self.arrays, time)()
        return fault(self.declared.groups, self.declared.plan, self.view, self.arrays["reward"], self.notes)


def test_an_agent_that_returns_within_an_episode_plays_on_from_there():
    seat = Seat(Returning())
    seat.player.begin(0)
    alive, seen, rewards, ended = [], [], [], False
    while not ended:
        ended = seat.player.step()
        alive.append(bool(seat.rows["arrival/alive"][1]))
        seen.append(float(seat.rows["arrival/observation/0"][1, 0]))
        rewards.append(float(seat.rows["reward"][1]))
    assert alive == [True] * 4 + [False] * 3 + [True] * 13
    assert rewards == [1, 2, 3, 4, 5, 0, 0, 0, *range(9, 21)]
    np.testing.assert_allclose(seen[5:9], [0, 0, 0.8, 0.9], rtol=1e-6)
    assert bool(seat.rows["truncated"]) and not seat.rows["terminated"]


class Staying(Returning):
    """It dies, and is still there."""

    def leave(self, ends):
        ends["b"] = self.time == 5


def breach(env, steps=20):
    """What a copy says that does not keep its word."""
    with pytest.raises(Broken) as told:
        seat = Seat(env)
        seat.player.begin(0)
        for _ in range(steps):
            seat.player.step()
    assert "\n" not in str(told.value)
    return str(told.value)


def test_a_breach_of_the_interface_is_named_with_what_to_give_instead():
    class Four(Game):
        def step(self, actions):
            seen, rewards, ends, cuts, infos = super().step(actions)
            return seen, rewards, {agent: ends[agent] or cuts[agent] for agent in ends}, infos

    class WithoutInfos(Game):
        def reset(self, seed=None, options=None):
            return super().reset()[0]

    class WithoutSeed(Game):
        def reset(self):
            return super().reset()

    class Numbered(Game):
        possible_agents = [0, 1]  # noqa: RUF012

    class Turns(Game):
        def show(self):
            return {agent: self.values(self, agent) for agent in self.agents if (agent == "a") == (self.time % 2 == 0)}

    class Alone:
        observation_space, action_space = gym.Box(-1, 1, (3,)), gym.Discrete(2)

        def reset(self, seed=None, options=None): ...
        def step(self, action): ...

    assert "a tuple of 4: return terminations and truncations separately" in breach(Four())
    assert "but it returns a dict: write return observations, {agent: {} for agent in self.agents}" in breach(
        WithoutInfos()
    )
    assert "reset() takes no seed: write reset(self, seed=None, options=None)" in breach(WithoutSeed())
    assert "the name of agent 0 is a int; use strings" in breach(Numbered())
    assert "agent 'b' is in agents but has no observation: give a turn-based game as an AECEnv" in breach(Turns())
    assert "agent 'b' was terminated or truncated but is still in agents: remove it" in breach(Staying())
    assert "make it a ParallelEnv with one agent" in breach(Alone())


def test_what_cannot_be_acted_in_is_refused_with_the_agent_and_what_can():
    mixed = gym.Dict({"move": gym.Discrete(2), "turn": gym.Box(-1, 1, (1,))})
    assert "the action space of agent 'a' is Dict" in breach(Game(acts=mixed))
    assert "use MultiDiscrete for several discrete actions or a Box for several numbers" in breach(Game(acts=mixed))
    assert "is a Box of int64, which is not a float type; use MultiDiscrete" in breach(
        Game(acts=gym.Box(0, 3, (1,), np.int64))
    )
    assert "use Discrete, MultiDiscrete, MultiBinary or Box" in breach(Game(acts=gym.Text(3)))


def test_a_number_that_is_not_finite_or_absurdly_large_is_told_by_agent_and_entry_as_it_enters():
    parts = gym.Dict({"near": gym.Box(-9, 9, (2, 2)), "far": gym.Discrete(3)})
    for value, text in ((1e30, "is 1.*e\\+30, beyond ±1e\\+15: scale it in the environment"), (np.nan, "is nan")):
        near = np.array([[0.0, 1.0], [2.0, value]])
        seat = Seat(Game(seen=parts, values=lambda game, agent, near=near: {"near": near, "far": 1}))
        seat.player.begin(0)
        row, said = seat.fault("fresh")
        assert row == 0
        assert re.match(r"the observation\['near'\]\[1, 1\] of agent 'a' " + text, said), said
    seat = Seat(Game())
    seat.player.begin(0)
    assert seat.fault("fresh") is None
    seat.rows["reward"][:] = [1e7, 1e-3]
    assert seat.fault("fresh") is None
    seat.rows["reward"][1] = -1e20
    assert "the reward of agent 'b' is -1" in seat.fault("fresh")[1]


def test_finite_numbers_without_bounds_are_limited_and_told_once_by_agent_and_entry():
    parts = gym.Dict({"near": gym.Box(-np.inf, np.inf, (2, 2), np.float64), "far": gym.Discrete(3)})
    shown = np.array([[0.1, 1e15], [-3e30, 2e30]])
    seat = Seat(
        Game(seen=parts, values=lambda game, agent: {"near": shown if agent == "b" else shown / 1e30, "far": 1})
    )
    seat.player.begin(0)
    assert seat.fault("fresh") is None and seat.fault("fresh") is None
    limited = np.array([0.1, 1e15, -1e15, 1e15], np.float32)
    (observation,) = seat.view.observation
    np.testing.assert_array_equal(observation[0, 0, 3:], np.float32(shown.ravel() / 1e30))
    np.testing.assert_array_equal(observation[0, 1, 3:], limited)
    np.testing.assert_array_equal(seat.view.state[0], observation.ravel())
    assert len(seat.notes) == 2
    assert next(iter(seat.notes)) == (
        "the observation['near'][1, 0] of agent 'b' exceeds ±1e+15, and its space has no bounds: Hamlet uses "
        "±1e+15 instead; scale it in the environment"
    )
    for bad in (np.nan, np.inf):
        seat.rows["fresh/observation/0"][0, 4] = bad
        assert f"the observation['near'][0, 1] of agent 'a' is {bad}" in seat.fault("fresh")[1]


def test_a_state_has_no_bounds_and_is_limited_too():
    game = Game()
    game.state = lambda: np.array([1.0, -1e20])
    seat = Seat(game)
    seat.player.begin(0)
    assert seat.fault("fresh") is None
    np.testing.assert_array_equal(seat.view.state, np.float32([[1.0, -1e15]]))
    assert "state()[1] exceeds ±1e+15" in next(iter(seat.notes))
    seat.rows["fresh/state"][0] = np.nan
    assert "state()[0] is nan" in seat.fault("fresh")[1]


def test_a_mask_without_a_choice_is_told_with_what_to_do_while_an_agent_waits():
    spaces = gym.Dict({"observation": gym.Box(-1, 1, (3,)), "action_mask": gym.Box(0, 1, (2,), np.int8)})
    empty = {"observation": np.zeros(3, np.float32), "action_mask": np.zeros(2, np.int8)}
    seat = Seat(Game(seen=spaces, values=lambda game, agent: empty))
    seat.player.begin(0)
    assert "agent 'a' allows no action: allow one while the agent waits, or remove the agent" in seat.fault("fresh")[1]


def test_a_mask_may_stand_beside_several_parts():
    spaces = gym.Dict({"near": gym.Box(-1, 1, (3,)), "far": gym.Discrete(4), "action_mask": gym.MultiBinary(2)})
    given = {"near": np.ones(3, np.float32), "far": 2, "action_mask": np.array([0, 1], np.int8)}
    seat = Seat(Game(seen=spaces, values=lambda game, agent: given))
    seat.player.begin(0)
    assert seat.rows["fresh/available/0"].tolist() == [[False, True]] * 2
    assert seat.rows["fresh/observation/0"].tolist() == [[0, 0, 1, 0, 1, 1, 1]] * 2
    kind = seat.declared.agents[0].observation
    assert masked(kind, "a", given)[1].tolist() == [0, 1]
    assert seat.declared.groups[0].observation == Composite((Discrete(4), Box(-1.0, 1.0, (3,))))


def test_bounds_of_every_entry_follow_a_picture_that_is_turned():
    low = np.arange(3 * 9 * 8, dtype=np.float32).reshape(3, 9, 8)
    seat = Seat(Game(seen=gym.Box(low, low + 1), values=lambda game, agent: low))
    space = seat.declared.groups[0].observation
    seat.player.begin(0)
    assert space.shape == (9, 8, 3) and space.contains(seat.rows["fresh/observation/0"][0])
    (line,) = [line for line in seat.declared.remarks if "channels first" in line]
    assert "the observation of a … b, 3 x 9 x 8, is interpreted as channels first: 9 x 8 pixels, 3 channels" in line
