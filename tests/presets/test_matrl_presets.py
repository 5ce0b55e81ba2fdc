"""The presets of MATRL, against the paper's tables."""

import pytest

from hamlet import presets
from hamlet.haml.meta_game import Forced, MetaGame, MetaStep, Nash
from hamlet.networks.convolution import Kernel, features
from hamlet.spaces import Box

# Tables 3, 5 and 6: batch, divergence, and the coefficient of the policy's loss, which divides what stands beside it.
TABLES = {"grid": (2000, 0.001, 1), "hopper": (4000, 0.01, 100), "pong": (4000, 0.01, 10)}
NAMES = ("matrl", "il_pp", "matrl_without_response", "il")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("task", TABLES)
def test_tables_3_5_and_6(task, name):
    made, (batch, divergence, coefficient) = presets.find(f"paper/matrl/{task}", name)(), TABLES[task]
    clip, kl = made.drift.parts
    assert made.sampling.batch == batch
    assert (clip.epsilon, kl.weight) == pytest.approx((0.1, divergence / coefficient))
    assert made.neighbourhood.entropy == pytest.approx(0.05 / coefficient)
    assert (made.advantage.discount, made.body.hidden, made.critic.learning_rate) == (0.99, (128, 128), 0.002)
    assert (made.critic.sees, made.critic.credits, made.sharing) == ("observation", "own", "none")
    scheme = made.scheme.game if isinstance(made.scheme, MetaStep) else made.scheme
    ahead = scheme.prediction.neighbourhood if isinstance(scheme, MetaGame) else made.neighbourhood
    assert (ahead.learning_rate, ahead.epochs) == (0.002, 10)
    if name in ("matrl", "il_pp"):
        assert (made.neighbourhood.learning_rate, made.neighbourhood.epochs) == (0.002, 5)
        assert (scheme.clip, scheme.solver) == (0.1, Nash() if name == "matrl" else Forced(0.0))


def test_the_filters_of_pong_are_the_papers():
    body = presets.find("paper/matrl/pong", "matrl")().body
    assert body.convolution == (Kernel(3, 8, 4, False), Kernel(3, 4, 2, False), Kernel(3, 3, 1, False))
    assert features(Box(0, 255, (84, 84, 4)), body.convolution) == 8 * 8 * 3
    # Without images there is nothing to filter.
    assert presets.find("paper/matrl/grid", "matrl")().body.convolution == ()


def test_the_filters_that_are_tuned_for_pong_see_every_pixel_of_a_screen_once():
    body = presets.find("tuned/pong", "matrl")().body
    assert body.normalise and all(kernel.size == kernel.stride for kernel in body.convolution)
    assert features(Box(0, 255, (42, 42, 3)), body.convolution) == 7 * 7 * 32


def test_what_an_environment_is_trained_with_where_no_preset_is_named():
    assert presets.default("grid/checkers", "matrl") == "paper/matrl/grid"
    assert presets.default("grid/switch", "happo") is None
