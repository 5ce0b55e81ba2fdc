"""The presets of multi-agent MuJoCo, against the paper's tables."""

import pytest

from hamlet import presets
from hamlet.envs import mamujoco
from hamlet.presets import mamujoco as mamujoco_presets

# Table 10: linear decay, learning rates, epochs, clip, minibatches, entropy.
TEN = {
    "Ant-4x2": (False, 5e-4, 5, 0.1, 1, 0.0),
    "HalfCheetah-2x3": (False, 5e-4, 15, 0.05, 1, 0.01),
    "Hopper-3x1": (True, 5e-4, 10, 0.05, 1, 0.0),
    "Walker2d-2x3": (True, 1e-3, 5, 0.05, 2, 0.0),
    "Walker2d-6x1": (False, 5e-4, 5, 0.1, 1, 0.01),
    "Humanoid-17x1": (True, 5e-4, 5, 0.1, 1, 0.0),
}
# Table 11: the threshold of the divergence; all else is alike.
ELEVEN = {"Ant-4x2": 5e-3, "HalfCheetah-2x3": 1e-2, "Hopper-3x1": 1e-3, "Walker2d-2x3": 1e-2, "Walker2d-6x1": 5e-3}
# Table 12: learning rates, epochs; all else is alike.
TWELVE = {
    "Ant-4x2": (5e-4, 5),
    "HalfCheetah-2x3": (5e-4, 5),
    "Hopper-3x1": (1e-4, 3),
    "Walker2d-2x3": (1e-4, 5),
    "Walker2d-6x1": (1e-4, 5),
}


def first_order(task, name):
    """An algorithm's values in the order of table 10, without the clip."""
    made = presets.find(f"paper/mamujoco/{task}", name)()
    actor, critic = made.neighbourhood, made.critic
    for field in ("learning_rate", "epochs", "minibatches", "decay"):
        assert getattr(actor, field) == getattr(critic, field)
    decay = {"linear": True, "none": False}[actor.decay]
    return made, (decay, actor.learning_rate, actor.epochs, actor.minibatches, actor.entropy)


@pytest.mark.parametrize("task", TEN)
@pytest.mark.parametrize("name", ["happo", "mappo", "ippo"])
def test_table_10(task, name):
    made, values = first_order(task, name)
    decay, rate, epochs, clip, parts, entropy = TEN[task]
    assert (values, made.drift.epsilon, made.critic.clip) == ((decay, rate, epochs, parts, entropy), clip, clip)
    assert made.sharing == ("group" if name == "mappo" else "none")


def test_table_11():
    for task, radius in ELEVEN.items():
        made = presets.find(f"paper/mamujoco/{task}", "hatrpo")()
        inner, critic = made.neighbourhood, made.critic
        assert (inner.radius, inner.shrink, inner.tries, inner.accept) == (radius, 0.8, 10, 0.5)
        assert (critic.learning_rate, critic.epochs, critic.minibatches, critic.decay) == (5e-4, 5, 1, "none")
        assert critic.clip == 0.2
    assert "hatrpo" not in presets.PRESETS["paper/mamujoco/Humanoid-17x1"]


@pytest.mark.parametrize("name", ["haa2c", "maa2c"])
def test_table_12(name):
    for task, (rate, epochs) in TWELVE.items():
        made, values = first_order(task, name)
        assert (values, made.critic.clip) == ((True, rate, epochs, 1, 0.0), 0.1)


def test_table_9_and_4():
    for task in TEN:
        for name in mamujoco_presets.PAPER[task]:
            made = presets.find(f"paper/mamujoco/{task}", name)()
            assert made.sampling.copies * made.sampling.steps == 4000
            assert (made.body.hidden, made.advantage.discount, made.advantage.lambda_) == ((128, 128, 128), 0.99, 0.95)


def test_a_task_is_trained_with_its_own_line_or_with_that_of_the_same_body():
    assert presets.default("mamujoco/Walker2d-6x1", "happo") == "paper/mamujoco/Walker2d-6x1"
    assert presets.default("mamujoco/Walker2d-3x2", "hatrpo") == "paper/mamujoco/Walker2d-2x3"
    assert presets.default("mamujoco/Humanoid-9|8", "haa2c") is None  # no table has HAA2C on a humanoid
    assert presets.default("mamujoco/Swimmer-2x1", "happo") is None
    tasks = {name.removeprefix("mamujoco/") for name in mamujoco.NAMES}
    bodies = {"Ant", "HalfCheetah", "Hopper", "Humanoid", "Walker2d"}
    assert {task for task in tasks if task.split("-")[0] in bodies} == {
        task for task in tasks if presets.default(f"mamujoco/{task}", "happo")
    }
