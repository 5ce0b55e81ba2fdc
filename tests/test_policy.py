"""A policy outside of training takes what the environment gives and answers what its spaces want; its files as well."""

import sys

import gymnasium.spaces as gym
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pettingzoo import ParallelEnv

import hamlet
from hamlet.envs.agent_spaces import outside
from hamlet.envs.pettingzoo import shared_block
from hamlet.envs.pettingzoo.batch_validation import Lookout
from hamlet.envs.pettingzoo.description import describe
from hamlet.envs.pettingzoo.env_driver import EnvDriver
from hamlet.envs.pettingzoo.environment import PettingZoo
from hamlet.exporting.directory import write
from hamlet.exporting.team import policies
from hamlet.networks.actors import Stochastic
from hamlet.networks.joint import act
from hamlet.networks.torso import NetworkConfig, blank
from hamlet.policy import Policy
from hamlet.roster import Roster

pytestmark = pytest.mark.usefixtures("programs_once")

MASK = gym.MultiBinary(3)
STATE = gym.Tuple([gym.Discrete(3, start=4), gym.Box(-1, 1, (2,))])
SEEN = {
    "start": gym.Box(-1, 1, (3,), np.float64),
    "parts": gym.Dict({"depth": gym.Box(0, 9, (6, 5, 1)), "state": STATE}),
    "turned": gym.Box(0, 255, (3, 9, 8), np.uint8),
    "masked": gym.Dict({"observation": gym.Discrete(5, start=-2), "action_mask": MASK}),
    "table": gym.MultiDiscrete([[2, 2], [3, 3]]),
}  # fmt: skip
ACTS = {
    "start": gym.Discrete(3, start=5),
    "parts": gym.MultiDiscrete([[2, 2], [3, 3]], start=[[1, 0], [0, 7]]),
    "turned": gym.Box(np.array([-0.1, -0.2]), np.array([0.1, 0.3]), (2,), np.float64),
    "masked": gym.Discrete(3, start=2),
    "table": gym.MultiBinary((2, 2)),
}


class Everything(ParallelEnv):
    """Agents of every kind of spaces; what they are sent is kept."""

    metadata = {"name": "everything"}  # noqa: RUF012
    possible_agents = list(SEEN)  # noqa: RUF012

    def observation_space(self, agent):
        return SEEN[agent]

    def action_space(self, agent):
        return ACTS[agent]

    def show(self):
        seen = {}
        for number, agent in enumerate(self.agents):
            SEEN[agent].seed(int(self.random.integers(2**31)) + number)
            seen[agent] = SEEN[agent].sample()
        seen["masked"]["action_mask"][:] = [0, 1, 1]
        return seen

    def reset(self, seed=None, options=None):
        self.agents, self.random, self.sent = list(self.possible_agents), np.random.default_rng(seed), []
        return self.show(), {agent: {} for agent in self.agents}

    def step(self, actions):
        self.sent.append(actions)
        no = dict.fromkeys(self.agents, False)
        return self.show(), dict.fromkeys(self.agents, 0.0), no, no, {agent: {} for agent in self.agents}


@pytest.fixture(scope="module")
def team():
    """The environment as it is declared, and networks with memory, far from their first weights."""
    env, body = Everything(), NetworkConfig(hidden=(8,), memory=4, normalise=True)
    declared = PettingZoo(factory="everything:Everything", description=describe(env, 0), pictures="auto")
    roster, actors = Roster(declared.groups), []
    for number, group in enumerate(roster.groups):
        create = jax.jit(lambda key, group=group: Stochastic().create(key, group.observation, group.action, body))
        actor = create(jax.random.key(number))
        leaves, form = jax.tree.flatten(actor)
        keys = jax.random.split(jax.random.key(100 + number), len(leaves))
        leaves = [leaf + 0.3 * jax.random.uniform(key, leaf.shape) for leaf, key in zip(leaves, keys, strict=True)]
        actors.append(jax.tree.map(lambda leaf: leaf[None], jax.tree.unflatten(form, leaves)))
    return declared, roster, tuple(actors), body


def same(one, other):
    assert set(one) == set(other)
    for name, value in one.items():
        np.testing.assert_allclose(value, other[name], rtol=1e-5, atol=1e-6, err_msg=name)


def contained(actions):
    return all(ACTS[name].contains(value) for name, value in actions.items())


def stacked(parts):
    """Elements of a space as a batch."""
    if isinstance(parts[0], dict):
        return {key: stacked([part[key] for part in parts]) for key in parts[0]}
    if isinstance(parts[0], tuple):
        return tuple(stacked(list(part)) for part in zip(*parts, strict=True))
    return np.stack(parts)


@pytest.mark.slow
def test_a_policy_sends_what_training_sends_in_every_kind_of_space(team):
    declared, roster, actors, body = team
    plan = declared.plan
    wanted = shared_block.arrays(plan, 1)
    arrays = shared_block.attach(shared_block.allocate(shared_block.size(wanted)), wanted)
    env = Everything()
    player = EnvDriver(env, plan, {name: array[0, ...] for name, array in arrays.items()})
    looks = [Lookout(declared.groups, plan, arrays, time) for time in ("fresh", "arrival")]
    policy = Policy(roster, actors, body, agents=outside(declared))
    memory = tuple(blank(body, 1, len(group.names)) for group in roster.groups)
    choose = jax.jit(
        lambda view, start, memory: act(
            roster, actors, view.observation, view.available, start, memory, None, alive=view.alive
        )
    )
    player.begin(3)
    other = Everything()
    seen, _ = other.reset(seed=3)
    for step in range(3):
        actions, memory = choose(looks[step > 0](), jnp.array([step == 0]), memory)
        for g, values in enumerate(actions):
            arrays[f"action/{g}"][...] = values
        player.step()
        mine = policy.act(seen)
        assert contained(env.sent[-1]) and contained(mine)
        same(mine, env.sent[-1])
        assert all(type(mine[name]) is type(value) for name, value in env.sent[-1].items())
        seen, *_ = other.step(mine)


def test_a_batch_of_copies_is_acted_for_as_each_of_them_alone_and_each_may_begin_anew(team):
    declared, roster, actors, body = team
    batch, alone = Policy(roster, actors, body, agents=outside(declared)), [
        Policy(roster, actors, body, agents=outside(declared)) for _ in range(2)
    ]  # fmt: skip
    envs = [Everything() for _ in alone]
    seen = [env.reset(seed=number)[0] for number, env in enumerate(envs)]
    for step in range(3):
        if step == 2:
            batch.reset([False, True])
            alone[1].reset()
        found = batch.act(stacked(seen))
        wanted = [policy.act(one) for policy, one in zip(alone, seen, strict=True)]
        same(found, stacked(wanted))
        seen = [env.step({})[0] for env in envs]
    with pytest.raises(
        hamlet.RequestError, match=r"got 3 environment copies, but the episode started with 2; call reset"
    ):
        batch.act(stacked([seen[0]] * 3))
    batch.reset()
    assert len(batch.act(stacked([seen[0]] * 3))["start"]) == 3
    with pytest.raises(hamlet.RequestError, match="the same number of environment copies"):
        batch.act(stacked([seen[0]] * 3) | {"start": np.zeros((2, 3))})


@pytest.mark.slow
def test_masks_come_from_observations_from_infos_or_by_hand_which_goes_first_and_the_absent_are_left_out(team):
    declared, roster, actors, body = team
    policy = Policy(roster, actors, body, agents=outside(declared))
    whole = Everything().reset(seed=0)[0]
    for number in range(3):
        only = np.arange(3) == number
        within = {"masked": {"observation": whole["masked"]["observation"], "action_mask": only.astype(np.int8)}}
        for seen, infos, by_hand in (
            (within, None, None),
            ({"start": whole["start"]}, {"start": {"action_mask": only}, "masked": {"action_mask": ~only}}, None),
            (within | {"start": whole["start"]}, {"start": {"action_mask": ~only}}, {"start": only}),
        ):
            policy.reset()
            actions = policy.act(seen, infos, available=by_hand, deterministic=False)
            assert actions == {name: ACTS[name].start + number for name in seen}
    joined = {"parts": (np.array([0, 1]), np.array([1, 0]), np.array([0, 0, 1]), np.array([0, 1, 0]))}
    policy.reset()
    assert policy.act({"parts": whole["parts"]}, available=joined)["parts"].tolist() == [[2, 0], [2, 8]]


WRONG = [
    ({"nobody": 0}, None, "nobody"),
    ({"start": np.zeros(4)}, None, r"the observation of agent 'start' has shape \(4,\), and its space \(3,\)"),
    ({"parts": {"depth": np.zeros((6, 5, 1))}}, None, "the observation of agent 'parts' has no entry 'state'"),
    ({"masked": {"observation": 0}}, None, "the observation of agent 'masked' has no key 'action_mask'"),
    ({"masked": 9}, None, "the observation of agent 'masked' is 9, which is none of the choices of its space"),
    (
        {"start": np.zeros(3)},
        {"start": [1, 1]},
        "the action_mask of agent 'start' has 2 entries, and its",
    ),
]


@pytest.mark.parametrize(("seen", "masks", "said"), WRONG, ids=[said[:40] for *_, said in WRONG])
def test_what_is_no_observation_is_refused_by_agent_in_one_line(team, seen, masks, said):
    declared, roster, actors, body = team
    with pytest.raises(hamlet.RequestError, match=said):
        Policy(roster, actors, body, agents=outside(declared)).act(seen, available=masks)


def test_exported_files_take_and_give_what_the_environment_does(team, tmp_path, monkeypatch):
    declared, roster, actors, body = team
    document = {
        "run": "r",
        "algorithm": "happo",
        "environment": "x",
        "seed": 0,
        "step": 10,
        "versions": {"hamlet": "0"},
    }
    write(tmp_path, policies(roster, actors, body, outside(declared)), document, ["numpy"], None)
    monkeypatch.syspath_prepend(tmp_path)
    import policies as files  # type: ignore[import-not-found]

    policy, exported, env = Policy(roster, actors, body, agents=outside(declared)), files.Team(), Everything()
    (seen, infos) = env.reset(seed=5)
    for _ in range(3):
        mine, theirs = policy.act(seen), exported.act(seen, infos)
        assert {type(theirs[name]) for name in ("start", "masked")} == {int} and contained(theirs)
        same(theirs, mine)
        seen, *_ = env.step({})
    text = (tmp_path / "README.md").read_text()
    assert "a choice from 5 to 7" in text and "`observation_state_0` | int32 |" in text
    for name in [name for name in sys.modules if name.split(".")[0] == "policies"]:
        del sys.modules[name]
