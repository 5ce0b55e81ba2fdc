"""What is wrong with an environment in JAX is named before anything is trained."""

import itertools
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

import hamlet
from hamlet.envs.base import Outcome, View
from hamlet.envs.jax_check import UnfitEnvironment, check_environment
from hamlet.roster import Group
from hamlet.spaces import Box, Discrete

CALLS = itertools.count()


@dataclass(frozen=True)
class World:
    """Two agents for three steps, with one fault."""

    fault: str = ""
    state_shape = (2,)

    @property
    def groups(self):
        names = ("a", "a") if self.fault == "names" else ("a", "b")
        return () if self.fault == "groups" else (Group(names, Box(0.0, 1.0, (2,)), Discrete(2)),)

    def reset(self, key):
        return self._shown(0 if self.fault == "python number" else jnp.int32(0), key)

    def step(self, key, state, actions):
        reward = jnp.zeros(
            3 if self.fault == "reward shape" else 2, jnp.int32 if self.fault == "reward" else jnp.float32
        )
        reward = reward * jnp.nan if self.fault == "reward nan" else reward
        if self.fault == "branch" and state > 1:
            state = state + 1
        ended = jnp.zeros((), bool) if self.fault == "endless" else state >= 2
        ended = ended.astype(jnp.float32) if self.fault == "flag" else ended
        after, view = self._shown(state + 1, key)
        after = after.astype(jnp.int8) if self.fault == "state type" else after
        sound = Outcome(jnp.zeros(2), jnp.zeros((), bool), jnp.zeros((), bool))
        return after, view, eqx.tree_at(lambda outcome: (outcome.reward, outcome.truncated), sound, (reward, ended))

    def _shown(self, state, key):
        seen = {
            "shape": jnp.zeros((2, 3), jnp.float32),
            "bounds": jnp.full((2, 2), 2.0, jnp.float32),
            "nan": jnp.full((2, 2), jnp.nan, jnp.float32),
            "weak": jnp.broadcast_to(jnp.asarray(0.5), (2, 2)),
            "impure": jnp.full((2, 2), (next(CALLS) % 7) / 7, jnp.float32),
        }.get(self.fault, jax.random.uniform(key, (2, 2)))
        mask = jnp.zeros((2, 2), bool) if self.fault == "mask" else None
        groups = () if self.fault == "tuple" else (seen,)
        return state, View(groups, jnp.zeros(3 if self.fault == "state" else 2, jnp.float32), (mask,), None)


def test_a_sound_one_is_played_to_its_end():
    findings = check_environment(World())
    assert findings.lengths == (3, 3, 3) and findings.notes == ()


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        ("groups", "groups is empty"),
        ("names", "every agent needs its own name; the names are a, a"),
        ("python number", "the state of reset must be an array, got a Python int"),
        ("weak", "has a weak type, so JAX would compile the step twice"),
        ("shape", r"the observation of a in reset must have shape \[2, 2\] .*, got \[2, 3\]"),
        ("tuple", "observation of reset must be a tuple with one entry for each of the 1 groups, got tuple of 0"),
        ("state", r"the state in reset must have state_shape \(2,\), got \(3,\)"),
        ("state type", r"state is int32\[\] from reset but int8\[\] from step"),
        ("reward", r"reward must be float32\[2\], one number for each agent, got int32\[2\]"),
        ("reward shape", r"reward must be float32\[2\], one number for each agent, got float32\[3\]"),
        ("reward nan", "the reward in episode 0, step 1 must be finite, got"),
        ("flag", r"truncated must be one bool, got float32\[\]"),
        ("bounds", "the observation of a in episode 0, reset contains .*2.*, which is outside the bounds of its Box"),
        ("nan", "the observation of a in episode 0, reset contains NaN"),
        ("mask", "a has no available action in episode 0, reset"),
        ("branch", "step, compiled, raises TracerBoolConversionError"),
        ("impure", "reset gives another episode for the same key"),
    ],
)
def test_what_is_wrong_is_named(fault, line):
    with pytest.raises(UnfitEnvironment, match=line) as refusal:
        check_environment(World(fault))
    assert "\n" not in str(refusal.value)


def test_episodes_that_never_end_are_good_to_know():
    (note,) = check_environment(World("endless"), max_episode_steps=5, episodes=1).notes
    assert note.startswith("no episode ended within 5 steps")


def test_hamlets_own_are_sound():
    for name in ("mpe/simple_speaker_listener", "grid/switch"):
        assert check_environment(hamlet.envs.make(name), episodes=1, max_episode_steps=3).lengths == (3,)
