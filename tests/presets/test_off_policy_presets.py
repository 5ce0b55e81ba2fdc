"""The presets of algorithms that replay, against the paper's tables."""

import dataclasses

import pytest

from hamlet import presets

# Table 14: updates per train, exploration noise, n-step. Table 16: policy update frequency, n-step.
FOURTEEN = {
    "Ant-4x2": (0.5, 0.05, 20),
    "HalfCheetah-2x3": (1, 0.1, 20),
    "Hopper-3x1": (1, 0.1, 20),
    "Walker2d-2x3": (1, 0.1, 10),
    "Walker2d-6x1": (1, 0.1, 20),
}
SIXTEEN = {
    "Ant-4x2": (2, 5),
    "HalfCheetah-2x3": (2, 10),
    "Hopper-3x1": (2, 5),
    "Walker2d-2x3": (8, 20),
    "Walker2d-6x1": (2, 25),
    "Humanoid-17x1": (2, 5),
}


def common(made):
    """What table 5 fixes for all."""
    sampling = made.sampling
    assert (sampling.warmup, sampling.capacity, sampling.samples, sampling.steps) == (10_000, 1_000_000, 1000, 50)
    assert made.critic.polyak == 0.005
    return sampling


@pytest.mark.parametrize("task", FOURTEEN)
@pytest.mark.parametrize("name", ["haddpg", "maddpg"])
def test_tables_13_and_14(task, name):
    made = presets.find(f"paper/mamujoco/{task}", name)()
    sampling, (updates, noise, steps) = common(made), FOURTEEN[task]
    assert (sampling.copies, sampling.updates, sampling.delay) == (10, 50 * updates, 1)
    assert (made.actor.exploration, made.advantage.steps, made.advantage.discount) == (noise, steps, 0.99)
    assert (made.body.hidden, made.neighbourhood.learning_rate, made.critic.learning_rate) == ((256, 256), 5e-4, 1e-3)


@pytest.mark.parametrize("task", SIXTEEN)
@pytest.mark.parametrize("name", ["hatd3", "matd3"])
def test_tables_15_and_16(task, name):
    made = presets.find(f"paper/mamujoco/{task}", name)()
    sampling, (delay, steps) = common(made), SIXTEEN[task]
    assert (sampling.copies, sampling.updates, sampling.delay) == (10, 50, delay)
    assert (made.actor.exploration, made.advantage.steps, made.advantage.discount) == (0.1, steps, 0.99)
    assert (made.surrogate.smoothing, made.surrogate.smoothing_clip, made.critic.networks) == (0.2, 0.5, 2)
    assert (made.body.hidden, made.neighbourhood.learning_rate, made.critic.learning_rate) == ((256, 256), 5e-4, 1e-3)


@pytest.mark.parametrize("name", ["haddpg", "hatd3", "maddpg", "matd3"])
def test_table_7(name):
    made = presets.find("paper/mpe", name)()
    sampling = common(made)
    assert (sampling.copies, sampling.updates, sampling.delay) == (20, 50, 2 if name.endswith("td3") else 1)
    assert (made.advantage.discount, made.advantage.steps, made.body.hidden) == (0.99, 1, (128, 128))
    assert (made.neighbourhood.learning_rate, made.critic.learning_rate) == (5e-4, 1e-3)
    assert made.surrogate.others == ("replay" if name.startswith("ma") else "policy")


def test_tables_5_and_8():
    made = presets.find("paper/mpe", "had3qn")()
    sampling = common(made)
    assert (sampling.copies, sampling.updates, made.actor.exploration) == (20, 50, 0.05)
    assert (made.advantage.discount, made.advantage.steps, made.body.hidden) == (0.95, 1, (128, 128))
    assert (made.learning_rate, made.critic.learning_rate, made.critic.width, made.actor.width) == (
        5e-4,
        1e-3,
        128,
        128,
    )


def test_the_entropy_of_choices_is_held_at_the_published_share_and_by_default_at_less():
    published, ours = (presets.find(f"{whose}/mpe", "hasac")() for whose in ("paper", "tuned"))
    assert (published.surrogate.target, published.advantage.steps) == (0.98, 20)
    assert (ours.surrogate.target, ours.advantage.steps) == (0.3, 1)
    for task in ("HalfCheetah-2x3", "Ant-4x2"):
        assert common(presets.find(f"paper/mamujoco/{task}", "hasac")()).copies == 20


def test_ours_regresses_at_all_choices_and_is_otherwise_tables_5_and_8():
    published, ours = (presets.find(f"{whose}/mpe", "had3qn")() for whose in ("paper", "tuned"))
    assert dataclasses.replace(published, regress="all") == ours


@pytest.mark.parametrize("name", ["haddpg", "hatd3", "maddpg", "matd3"])
def test_ours_differs_from_the_published_in_the_discount_alone(name):
    published, ours = (presets.find(f"{whose}/mpe", name)() for whose in ("paper", "tuned"))
    assert dataclasses.replace(published, advantage=ours.advantage) == ours
    assert (ours.advantage.discount, ours.advantage.steps) == (0.95, 1)
