"""The scale of rewards against a slow loop, on a rollout made by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from hamlet.estimation.rewards import RewardScale
from hamlet.estimation.trajectory import Trajectory
from pieces import views

CHUNKS, LENGTH, COPIES, AGENTS = 2, 3, 2, 2


def rollout(seed, alive, begun):
    """Copy 0 is truncated at step 1, copy 1 terminates at step 3; copy 0 also begins where nothing had ended."""
    shape, steps = (CHUNKS, LENGTH, COPIES), CHUNKS * LENGTH
    truncated, terminated, start = np.zeros((3, steps, COPIES), bool)
    truncated[1, 0] = terminated[3, 1] = start[2, 0] = start[4, 1] = start[begun, 0] = True
    flags = [jnp.asarray(each.reshape(shape)) for each in (start, terminated, truncated)]
    reward = jnp.asarray(np.random.default_rng(seed).normal(size=(*shape, AGENTS)), jnp.float32)
    seen = views((jnp.zeros((*shape, AGENTS, 1)),), jnp.zeros((*shape, 1)), jnp.asarray(alive))
    return Trajectory(seen, flags[0], (jnp.zeros((*shape, AGENTS)),), reward, *flags[1:], seen, (None,))


@pytest.mark.parametrize("credits", ["team", "own"])
def test_rewards_are_divided_by_the_deviation_of_the_discounted_returns_of_the_living_episode_by_episode(credits):
    alive = np.random.default_rng(0).random((CHUNKS, LENGTH, COPIES, AGENTS)) < 0.7
    streams = AGENTS if credits == "own" else 1
    total, kept = np.zeros((COPIES, streams)), [[] for _ in range(streams)]
    scale = RewardScale.create(COPIES, streams)
    for seed, begun in ((1, 5), (2, 0)):
        played = rollout(seed, alive, begun)
        scale, scaled = scale(played, credits, 0.9)
        steps = [np.asarray(x).reshape(-1, *x.shape[2:]) for x in (played.reward, played.start, played.view.alive)]
        for reward, start, living in zip(*steps, strict=True):
            earned = reward if credits == "own" else reward.sum(-1, keepdims=True)
            total = 0.9 * np.where(start[:, None], 0.0, total) + earned
            for stream, values in enumerate(kept):
                values += list(total[living[:, stream], stream] if credits == "own" else total[:, stream])
        deviation = np.array([np.std(values) for values in kept])
        np.testing.assert_allclose(scaled.reward, np.asarray(played.reward) / deviation, rtol=1e-4)
