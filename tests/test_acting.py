"""A policy outside of training, by actors whose answers are known: memory, masks, chance, batches, absent agents."""

from dataclasses import dataclass
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from hamlet.distributions import Categorical
from hamlet.errors import RequestError
from hamlet.networks.joint import FromDistributions
from hamlet.networks.torso import NetworkConfig
from hamlet.policy import Policy
from hamlet.roster import Group, Roster
from hamlet.spaces import Box, Discrete

CHOICES = 40
ROSTER = Roster((Group(("ann", "ben"), Box(-1.0, 1.0, (1,)), Discrete(CHOICES)),))
HERE = np.zeros(1, np.float32)
BOTH = {"ann": HERE, "ben": HERE}


class Counting(eqx.Module):
    """It remembers how many steps of the episode there were, and likes that choice best, further by its own number.

    Attributes:
        own: Its number.
        liking: How much it likes its favourite; 0 for all alike.
    """

    own: Array
    liking: Array

    def __call__(self, observation, memory, start, available=None):
        count = jnp.where(start[:, :1], 0.0, memory) + 1.0
        favourite = jax.nn.one_hot(count[:, 0].astype(int) + self.own, CHOICES)[:, None]
        # Of choices that are not available the next best is the last.
        logits = self.liking * (100.0 * favourite + jnp.arange(CHOICES)[None, None] / CHOICES)
        return Categorical.from_logits(logits, available), count[:, None]


def counting(liking=1.0, seed=0):
    """Ann's number is 0 and Ben's 10."""
    actors = (Counting(jnp.array([0, 10]), jnp.full(2, liking)),)
    return Policy(ROSTER, actors, NetworkConfig(hidden=(), memory=1), seed)


def test_an_episode_is_remembered_until_the_next_begins():
    policy = counting()
    assert [policy.act(BOTH) for _ in range(2)] == [{"ann": 1, "ben": 11}, {"ann": 2, "ben": 12}]
    policy.reset()
    assert policy.act(BOTH) == {"ann": 1, "ben": 11}
    policy.reset()  # after which there may be more copies
    assert policy.act({"ann": np.zeros((2, 1), np.float32)})["ann"].tolist() == [1, 1]


def test_copies_of_a_batch_begin_anew_one_by_one_and_those_named_in_turn_all_do():
    policy, both = counting(), {name: np.zeros((3, 1), np.float32) for name in BOTH}
    for wanted in ([1, 1, 1], [2, 2, 2]):
        found = policy.act(both)
        assert found["ann"].tolist() == wanted and found["ben"].tolist() == [10 + one for one in wanted]
    policy.reset([True, False, False])
    policy.reset([False, False, True])
    assert policy.act(both)["ann"].tolist() == [1, 3, 1]
    assert policy.act(both)["ann"].tolist() == [2, 4, 2]


def test_agents_that_see_unlike_numbers_of_copies_are_refused():
    with pytest.raises(RequestError, match="ann one, ben 3"):
        counting().act({"ann": HERE, "ben": np.zeros((3, 1), np.float32)})


def test_of_several_masks_that_given_by_hand_goes_first_then_the_observations_and_who_has_none_may_choose_anything():
    only = {choice: np.arange(CHOICES) == choice for choice in (20, 25, 30)}
    seen, infos = {"observation": HERE, "action_mask": only[25]}, {"ann": {"action_mask": only[30]}}
    asked = [
        ({"ann": seen, "ben": HERE}, infos, {"ann": only[20]}),
        ({"ann": seen, "ben": HERE}, infos, None),
        (BOTH, infos, None),
    ]
    for (observations, told, available), choice in zip(asked, (20, 25, 30), strict=True):
        assert counting().act(observations, told, available=available) == {"ann": choice, "ben": 11}


def test_the_likeliest_action_is_taken_unless_chance_is_asked_for_which_differs_by_step_and_by_seed():
    def drawn(seed):
        policy = counting(liking=0.0, seed=seed)
        return [policy.act(BOTH, deterministic=False)["ann"] for _ in range(6)]

    assert len({*drawn(0)}) > 2
    assert drawn(0) == drawn(0) != drawn(1)
    assert counting(liking=0.01).act(BOTH)["ann"] == 1


@dataclass(frozen=True)
class Counted:
    """Agents who choose together, and all the number of those who are there."""

    def act(self, roster, actors, seen, chance, alive):
        return (jnp.broadcast_to(alive.sum(-1, dtype=jnp.int32)[:, None], alive.shape),), seen.memory


class Company(eqx.Module):
    """The actor of one of them."""

    joint: ClassVar[Counted] = Counted()
    own: Array


def test_an_agent_who_sees_nothing_is_not_there_for_those_who_choose_together():
    policy = Policy(ROSTER, (Company(jnp.zeros(2)),), NetworkConfig(hidden=()))
    assert policy.act(BOTH, deterministic=False) == {"ann": 2, "ben": 2}
    assert policy.act({"ben": HERE}, deterministic=False) == {"ben": 1}


@dataclass(frozen=True)
class Agreed:
    """A choice whose joint action without chance no agent's own mode is."""

    def sample(self, policies, chance, alive):
        return (jnp.zeros(chance.turns.shape, jnp.int32),)

    def mode(self, policies, alive):
        return (jnp.full(alive.shape, 7, jnp.int32),)

    def log_probability(self, policies, actions, turns, alive):
        return jnp.zeros(turns.shape)


class Agreeing(Counting):
    """Those who agree."""

    joint: ClassVar[FromDistributions] = FromDistributions(Agreed())


def test_without_chance_a_team_takes_the_mode_of_its_joint_policy_and_not_of_each_agent():
    policy = Policy(ROSTER, (Agreeing(jnp.array([0, 10]), jnp.ones(2)),), NetworkConfig(hidden=(), memory=1))
    assert policy.act(BOTH) == {"ann": 7, "ben": 7} and policy.act(BOTH, deterministic=False) == {"ann": 0, "ben": 0}


def test_groups_whose_actors_name_unlike_joint_policies_are_refused():
    groups = tuple(Group((name,), Box(-1.0, 1.0, (1,)), Discrete(CHOICES)) for name in BOTH)
    actors = (Counting(jnp.array([0]), jnp.ones(1)), Agreeing(jnp.array([0]), jnp.ones(1)))
    with pytest.raises(RequestError, match="the actors of a team must name the same joint policy, got "):
        Policy(Roster(groups), actors, NetworkConfig(hidden=(), memory=1)).act(BOTH)
