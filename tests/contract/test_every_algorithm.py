"""What every algorithm owes on every kind of game."""

import re
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import combinations
import digests
from documents import ROOT
from hamlet.backends.jax_backend import compile_program
from hamlet.checkpoints import checkpoint
from pieces import same
from small_runs import SmallRun

# A program takes seconds to compile, and one with memory twice as long.
# Each plays, by default, the first game that it can act in.
PAIRS = [
    pytest.param((name, game), id=f"{name}-{game}", marks=pytest.mark.slow if slow else ())
    for name, game, slow in combinations.played()
]


@pytest.fixture(scope="module", params=PAIRS)
def made(request):
    made = SmallRun(*request.param)
    made.start = made.begin()
    made.end, made.infos = made.run(made.start, 1, 1, 1)
    return made


def test_iterations_are_finite_and_counted(made):
    assert int(made.end.iteration) == 3
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(made.end.learner))
    for info in made.infos:
        finite = {name: bool(jnp.isfinite(v).all()) for name, v in info.items() if name != "return" or info["episodes"]}
        assert all(finite.values()), finite
    actors = (made.start.learner.team.actors, made.end.learner.team.actors)
    assert not same(*actors)
    critics = (made.start.learner.critic.networks, made.end.learner.critic.networks)
    assert not same(*critics) or not jax.tree.leaves(critics)


def test_the_parameters_after_three_iterations_are_the_recorded_ones(made):
    if made.game in digests.games(made.name):
        digests.check(made.name, made.game, made.end.learner)


def test_how_many_iterations_run_in_one_call_changes_no_bit(made):
    together, infos = made.run(made.start, 3)
    assert same(together, made.end) and same(infos, made.infos)


def test_the_same_seed_gives_the_same_bits_and_another_does_not(made):
    assert same(made.run(made.begin(), 1, 2)[0], made.end)
    other, _ = made.run(made.begin(1), 3)
    assert not same(other.learner.team, made.end.learner.team) and not same(other.play, made.end.play)


def test_an_iteration_maps_its_state_to_one_of_the_same_types_so_that_nothing_compiles_twice(made):
    def types(tree):
        outline = jax.eval_shape(lambda tree: tree, tree)
        return [(leaf.shape, leaf.dtype, leaf.weak_type) for leaf in jax.tree.leaves(outline)]

    assert types(made.end) == types(made.start) == types(made.outline)
    assert not any(weak for *_, weak in types(made.end))


def test_a_restored_checkpoint_goes_on_to_the_same_bits(made, tmp_path):
    middle, _ = made.run(made.start, 2)
    checkpoint.save(tmp_path, middle, step=2)
    restored = checkpoint.restore(tmp_path, made.outline).state
    assert same(restored, middle)
    assert same(made.run(restored, 1)[0], made.end)


@pytest.mark.slow
@pytest.mark.parametrize("parts", [3, 2])
def test_a_batch_in_parts_teaches_what_the_whole_does(made, parts):
    """Three do not divide it. Learnt from are means over all of its living steps, however many a part has."""
    program = compile_program(replace(made.algorithm, accumulation=parts), made.env, made.outline, jax.devices()[:1])
    training, _ = program.call(program.place(made.start), jnp.int32(1), jnp.int32(8))
    networks = [(t.learner.team.actors, t.learner.critic.networks) for t in (training, made.run(made.start, 1)[0])]
    for ours, whole in zip(*map(jax.tree.leaves, networks), strict=True):
        np.testing.assert_allclose(ours, whole, rtol=0, atol=1e-5 * max(1e-2, float(jnp.abs(whole).max())))
    assert not same(*networks)


def test_everything_that_is_measured_is_explained(made):
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    firsts = re.findall(r"^\| (`[^|]*`) \|", page, re.MULTILINE)
    explained = {re.sub("/(AGENT|OWNER|team)$", "", name) for first in firsts for name in re.findall("`(.*?)`", first)}
    measured = {name for info in made.infos for name in info} - {"constant_sum", "moves"}
    assert measured <= explained, measured - explained
