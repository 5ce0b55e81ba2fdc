"""Hyperparameters are written once, and mean the same as keywords, as options and under their names from before."""

import inspect
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamlet
from hamlet import algorithms
from hamlet.algorithms import ALGORITHMS, Registry, happo
from hamlet.commands.request import read
from hamlet.hyperparameters.docstrings import descriptions
from hamlet.hyperparameters.factory import RENAMED, algorithm
from hamlet.networks.activation import ACTIVATIONS
from hamlet.networks.torso import NetworkConfig, Torso
from hamlet.spaces import Box

FILES = sorted(path for path in Path(algorithms.__file__).parent.glob("*.py") if path.stem != "__init__")


@dataclass(frozen=True, kw_only=True)
class Common:
    """What others have too.

    Attributes:
        discount: γ.
        rate: Of all.
    """

    discount: float = 0.9
    rate: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Special(Common):
    """An algorithm's own.

    Attributes:
        clip: ε.
        rate: Of the actors.
    """

    clip: float = 0.2
    rate: float = 0.3


@algorithm(Special)
def special(options: Special) -> Special:
    """An algorithm."""
    return options


def test_a_factory_takes_every_field_as_a_keyword_its_own_first():
    assert str(inspect.signature(special)) == "(*, clip: float = 0.2, discount: float = 0.9, rate: float = 0.3)"
    assert special(clip=0.5, discount=1.0) == Special(clip=0.5, discount=1.0)


def test_the_help_of_a_field_is_that_of_the_class_nearest_to_the_algorithm():
    assert descriptions(special) == {"clip": "ε.", "discount": "γ.", "rate": "Of the actors."}
    assert inspect.getdoc(special).startswith("An algorithm.\n")


def test_hyperparameters_are_given_by_name():
    with pytest.raises(hamlet.RequestError, match="happo takes its hyperparameters by name, as in clip="):
        happo(0.1)


def test_a_declaration_is_replaced_by_parts_that_it_has():
    assert hamlet.replace(happo(), sharing="group").sharing == "group"
    with pytest.raises(hamlet.RequestError, match="no Haml part 'drft'; the nearest is 'drift'"):
        hamlet.replace(happo(), drft=None)


def test_a_keyword_that_is_not_there_is_refused_with_the_nearest():
    with pytest.raises(hamlet.RequestError, match="no hyperparameter of happo 'clipp'; the nearest is 'clip'"):
        happo(clipp=0.1)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_file_of_an_algorithm_is_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 60


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("before", RENAMED)
def test_a_keyword_from_before_is_read(name, before):
    now = RENAMED[before]
    if now in inspect.signature(ALGORITHMS[name]).parameters:
        assert ALGORITHMS[name](**{before: 7}) == ALGORITHMS[name](**{now: 7}) != ALGORITHMS[name]()


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("--copies", "--num-envs"),
        ("--steps-per-rollout", "--rollout-length"),
        ("--memory", "--rnn-size"),
        ("--chunk", "--sequence-length"),
    ],
)
def test_an_option_from_before_is_read(before, now):
    words = ["happo", "mpe/simple_spread"]
    assert read([*words, before, "5"]).algorithm == read([*words, now, "5"]).algorithm != read(words).algorithm


def test_actors_and_critics_have_hidden_layers_of_their_own_widths():
    declared = happo(hidden=(8,), critic_hidden=(16, 4))
    assert declared.body.hidden == (8,) and declared.body.of_critics.hidden == (16, 4)
    assert happo(hidden=(8,), actor_hidden=(3,)).body.of_critics.hidden == (8,)
    assert happo(hidden=(8,), actor_hidden=(16,), critic_hidden=(16,)).body == happo(hidden=(16,)).body
    env = hamlet.envs.make("matrix/climbing")
    learner = hamlet.backends.jax_backend.begin_training(
        happo(hidden=(8,), critic_hidden=(16, 4), num_envs=2), env, 0
    ).learner
    assert [layer.weight.shape[-2] for layer in learner.team.actors[0].torso.layers] == [8]
    assert [layer.weight.shape[-2] for layer in learner.critic.networks[0].torso.layers] == [16, 4]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_follows_every_hidden_layer(name):
    body = NetworkConfig(hidden=(4, 3), activation=name, plain=True)
    torso, row = Torso.create(jax.random.key(0), Box(-1.0, 1.0, (2,)), body), jnp.array([[[0.3, -2.0]]])
    by_hand = row[0, 0]
    for layer in torso.layers:
        numbers = layer.weight @ by_hand + layer.bias
        by_hand = {
            "relu": lambda x: np.maximum(x, 0),
            "tanh": np.tanh,
            "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
            "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
            "silu": lambda x: x / (1 + np.exp(-x)),
            "gelu": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
        }[name](np.asarray(numbers))
    np.testing.assert_allclose(torso(row, None, jnp.ones((1, 1), bool))[0][0, 0], by_hand, rtol=1e-5, atol=1e-6)


def test_an_activation_that_is_not_there_is_refused_with_the_nearest():
    with pytest.raises(hamlet.RequestError, match=r"--activation takes .*relu.*, not 'rely'; the nearest is relu$"):
        read(["happo", "mpe/simple_spread", "--activation", "rely"])


class Entry:
    """An entry point of a package that cannot be imported."""

    name, value = "broken", "package.module:broken"

    def load(self):
        raise ImportError("no module named package")


def test_a_package_that_cannot_be_imported_takes_nothing_from_the_others(monkeypatch):
    monkeypatch.setattr(algorithms, "entry_points", lambda group: [Entry()])
    registry = Registry({"happo": happo})
    assert list(registry) == ["happo", "broken"] and "broken" in registry and registry["happo"] is happo
    assert registry.usable() == {"happo": happo}
    with pytest.raises(
        hamlet.RequestError, match=r"'broken' is package.module:broken, which cannot be imported: Import"
    ):
        registry["broken"]


def test_an_algorithm_of_the_users_own_is_named_by_its_place(tmp_path, monkeypatch):
    (tmp_path / "own_kl.py").write_text(
        "from hamlet.algorithms import happo\n\n\ndef own(*, clip: float = 0.3):\n    return happo(clip=clip)\n"
    )
    monkeypatch.chdir(tmp_path)
    assert read(["own_kl:own", "matrix/climbing", "--clip", "0.4"]).algorithm == happo(clip=0.4)
    assert "own_kl:own" not in list(ALGORITHMS)
    (tmp_path / "beside_it.py").write_text("from own_kl import own as other\n")
    assert read(["beside_it:other", "matrix/climbing", "--clip", "0.4"]).algorithm == happo(clip=0.4)
    for place, line in (("own_kl:owm", "own_kl has no owm; the nearest is own"), ("no_such:own", "no module no_such")):
        with pytest.raises(hamlet.RequestError, match=line):
            read([place, "matrix/climbing"])
