"""MATRL's scheme: predict, solve the game between staying and stepping, respond to its equilibrium."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamlet
from hamlet.algorithms import il, il_pp, ippo, matrl, matrl_without_response
from hamlet.envs.base import Group
from hamlet.errors import RequestError
from hamlet.games import meta
from hamlet.haml.drift import ClipDrift, KlDrift, SumDrift, ZeroDrift
from hamlet.haml.meta_game import Forced, MetaGame
from hamlet.haml.neighbourhood import KlBall, Unconstrained
from hamlet.haml.scheme import UnitStep
from hamlet.haml.template import Team, create, experience, prepare, update
from hamlet.roster import Roster
from hamlet.spaces import Box, Discrete
from pieces import OBSERVATION, always, moved, same, trajectory

GROUPS = (Group(("first", "second"), OBSERVATION, Discrete(3)), Group(("third",), OBSERVATION, Box(-1.0, 1.0, (2,))))
ROSTER = Roster(GROUPS)
PLAYED, CREDIT = trajectory(5, GROUPS, (3,))
SMALL = {"hidden": (16,), "clip": 0.2, "kl": 0.5, "learning_rate": 0.03, "epochs": 3}
RESPONSE = {"response_learning_rate": 0.02, "response_epochs": 2}


def answered(solver, **settings):
    """MATRL with another solver."""
    made = matrl(**(SMALL | RESPONSE | settings))
    return dataclasses.replace(made, scheme=dataclasses.replace(made.scheme, solver=solver))


@partial(jax.jit, static_argnums=0)
def begun(algorithm, key):
    team = create(algorithm, ROSTER, key)
    return Team(moved(team.actors, 7, 0.2), team.states)


@partial(jax.jit, static_argnums=0)
def once(algorithm, team, key):
    return update(algorithm, ROSTER, team, *prepare(algorithm, ROSTER, PLAYED, CREDIT), key)


def twice(algorithm):
    """Two updates, so that what the optimisers remember counts; and the infos."""
    team, first = once(algorithm, begun(algorithm, jax.random.key(0)), jax.random.key(1))
    return *once(algorithm, team, jax.random.key(2)), first


@pytest.mark.slow
@pytest.mark.parametrize("minibatches", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_who_keeps_every_policy_takes_the_independent_learners_step_to_the_bit(minibatches):
    kept, info, _ = twice(answered(Forced(1.0), minibatches=minibatches))
    alone, _, _ = twice(il(**SMALL | {"learning_rate": 0.02, "epochs": 2}, minibatches=minibatches))
    assert same(kept, alone)
    assert (info["keep"] == 1).all()


def test_the_ablations_are_declarations_that_differ_in_one_part():
    assert answered(Forced(0.0)) == il_pp(**SMALL, **RESPONSE) != matrl(**SMALL, **RESPONSE)
    assert matrl_without_response(**SMALL).scheme.game == matrl(**SMALL).scheme
    assert matrl_without_response(**SMALL).neighbourhood == il(**SMALL).neighbourhood
    other = ippo()
    same_but = {part: getattr(other, part) for part in ("drift", "neighbourhood", "critic", "sampling", "advantage")}
    assert hamlet.replace(il(), **same_but, body=hamlet.replace(il().body, plain=False)) == other
    assert il(clip=0.3, kl=0.7).drift == SumDrift((ClipDrift(0.3), KlDrift(0.7)))


@pytest.mark.slow
@pytest.mark.parametrize("keep", always(0.25, of=(0.0, 0.25)))
def test_the_response_is_the_step_on_advantages_weighed_by_what_the_others_will_play(keep):
    """Written out: independent learners' steps, ratios by hand, mixtures as densities, and one step each on w Â."""
    algorithm, clip = answered(Forced(keep)), 0.1
    team = begun(algorithm, jax.random.key(0))
    found, _ = once(algorithm, team, jax.random.key(1))
    ahead, _ = once(il(**SMALL), team, jax.random.key(1))
    shares = [experience(ROSTER, g, PLAYED, CREDIT) for g in range(2)]

    def log_prob(actors, g, k):
        actor, share = jax.tree.map(lambda leaf: leaf[k], (actors[g], shares[g]))
        return share.policy(actor).log_prob(share.action)

    agents = ((0, 0), (0, 1), (1, 0))
    old = [log_prob(team.actors, *agent) for agent in agents]
    new = [log_prob(ahead.actors, *agent) for agent in agents]
    # A mixture of densities, by logarithms.
    mixed = [
        b if keep == 0 else jnp.logaddexp(np.log(keep) + a, np.log(1 - keep) + b) for a, b in zip(old, new, strict=True)
    ]
    ratio = [np.clip(np.exp(m - a), 1 - clip, 1 + clip) for m, a in zip(mixed, old, strict=True)]
    assert max(abs(r - 1).max() for r in ratio) > 0.05
    own = Unconstrained(learning_rate=0.02, epochs=2, entropy=0.05)
    for number, (g, k) in enumerate(agents):
        share, actor, state = jax.tree.map(lambda leaf, k=k: leaf[k], (shares[g], team.actors[g], team.states[g]))
        weight = np.prod([r for other, r in enumerate(ratio) if other != number], axis=0)
        objective = algorithm.surrogate.objective(jnp.asarray(weight), actor, share, algorithm.drift)
        better, _, _ = jax.jit(own.improve)(objective, actor, state, jax.random.key(0))
        for a, b in zip(jax.tree.leaves(better), jax.tree.leaves(found.actors[g]), strict=True):
            np.testing.assert_allclose(a, b[k], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_without_the_response_parameters_go_between_those_kept_and_those_predicted():
    algorithm = matrl_without_response(**SMALL)
    team = begun(algorithm, jax.random.key(0))
    ahead, _ = once(il(**SMALL), team, jax.random.key(1))
    reached = {}
    for keep in (0.0, 0.25, 1.0):
        game = dataclasses.replace(algorithm.scheme.game, solver=Forced(keep))
        made = dataclasses.replace(algorithm, scheme=dataclasses.replace(algorithm.scheme, game=game))
        reached[keep], _ = once(made, team, jax.random.key(1))
    assert same(reached[1.0].actors, team.actors) and same(reached[0.0], ahead)
    parts = zip(*(jax.tree.leaves(part.actors) for part in (reached[0.25], team, ahead)), strict=True)
    for found, now, then in parts:
        np.testing.assert_allclose(found, 0.25 * now + 0.75 * then, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_a_trust_region_can_be_what_is_predicted_and_what_answers():
    ball = KlBall(radius=0.01)
    scheme = MetaGame(prediction=UnitStep(KlDrift(0.0), ball), clip=0.5)
    trusted = hamlet.replace(matrl(hidden=(16,)), neighbourhood=ball, scheme=scheme)
    team = begun(trusted, jax.random.key(0))
    after, info = once(trusted, team, jax.random.key(1))
    assert (info["kl"] <= 0.0101).all() and (info["line_search_failed"] == 0).all() and not same(after, team)
    assert ((info["keep"] >= 0) & (info["keep"] <= 1)).all() and (info["meta_regret"] < 1e-5).all()


def game(seed, *, steps, sizes=(2, 3, 2), states=4):
    """A random game's exact tensor and its estimate: states drawn from a distribution, actions from policies."""
    random = np.random.default_rng(seed)
    agents, occupied = len(sizes), random.dirichlet(np.ones(states))
    policies = [random.dirichlet(np.ones(size), states) for size in sizes]
    # Steps of a third at most: the estimate's spread stays that of the advantages.
    ahead = [(2 * now + random.dirichlet(np.ones(size), states)) / 3 for now, size in zip(policies, sizes, strict=True)]
    advantage = random.normal(size=(agents, states, *sizes))
    spell = "s,sa,sb,sc,nsabc->n"
    joint = np.einsum("sa,sb,sc,nsabc->ns", *policies, advantage)
    advantage = advantage - joint.reshape(agents, states, 1, 1, 1)
    exact = np.zeros((agents, 2, 2, 2))
    for profile in np.ndindex(2, 2, 2):
        chosen = [(now, then)[c] for now, then, c in zip(policies, ahead, profile, strict=True)]
        exact[:, *profile] = np.einsum(spell, occupied, *chosen, advantage)
    state = random.choice(states, steps, p=occupied)
    action = [(now[state].cumsum(-1) < random.random((steps, 1))).sum(-1) for now in policies]
    ratio = np.stack([(then / now)[state, a] for then, now, a in zip(ahead, policies, action, strict=True)])
    return exact, ratio, advantage[:, state, *action]


def test_payoffs_tend_to_the_exact_ones_as_one_over_the_root_of_the_steps():
    errors = []
    for steps in (400, 40_000):
        wrong = []
        for seed in range(12):
            exact, ratio, advantage = game(seed, steps=steps)
            found = np.asarray(meta.payoffs(jnp.asarray(ratio), jnp.asarray(advantage)))
            assert found.shape == exact.shape and (found[:, 0, 0, 0] == 0).all()
            wrong.append(found - exact)
        errors.append(np.sqrt(np.mean(np.square(wrong))))
    assert 7 < errors[0] / errors[1] < 14, errors
    assert errors[1] < 0.01 < np.abs(exact).max()


def test_payoffs_of_ratios_that_are_clipped_to_one_are_those_of_staying():
    _, ratio, advantage = game(0, steps=50)
    for clip in (1e-3, 1e-6):
        found = meta.payoffs(jnp.clip(jnp.asarray(ratio), 1 - clip, 1 + clip), jnp.asarray(advantage))
        assert np.abs(found).max() < 4 * clip * np.abs(advantage).max()


def test_what_a_meta_game_cannot_hold_is_refused_with_its_size():
    env = lambda n: hamlet.envs.make("mpe/simple_spread", agents=n)  # noqa: E731
    with pytest.raises(RequestError, match="11 × 2\\^11 = 22,528 payoffs"):
        hamlet.train(matrl(), env(11), steps=2000)
    with pytest.raises(RequestError, match="at least two agents"):
        hamlet.train(matrl(), env(1), steps=2000)
    with pytest.raises(RequestError, match="one kind of neighbourhood, not Unconstrained and KlBall"):
        hamlet.train(hamlet.replace(matrl(), neighbourhood=KlBall()), env(2), steps=2000)
    with pytest.raises(RequestError, match="on-policy rollouts, not replayed"):
        hamlet.train(hamlet.replace(hamlet.algorithms.hatd3(), scheme=matrl().scheme), env(2), steps=2000)
    with pytest.raises(RequestError, match="here there is no rollout"):
        matrl().scheme.foresee(lambda *args: args, None, None, 2, jax.random.key(0))


def test_shares_of_a_policy_that_leads_nowhere_do_no_harm():
    ratio = jnp.array([[jnp.inf, 1.0], [2.0, 0.5]])
    assert (meta.mixture(ratio, jnp.array([1.0, 0.5]))[0] == 1).all()


class Watched:
    """Every unit's trial has a known ratio to its policy, and a visit tells by which carry it was made."""

    def by(self, step):
        return lambda unit, team, carry, key: (team, jnp.array([2.0, 3.0])[unit] * carry, {})

    def credits(self):
        return jnp.ones((2, 4, 1))

    def __call__(self, unit, team, carry, key):
        return team, carry, {"carry": carry}


def test_a_response_is_to_what_the_others_will_play_and_ratios_are_held_in_their_band():
    step = UnitStep(ZeroDrift(), Unconstrained())
    for clip, weights in ((5.0, (3.0, 2.0)), (1.5, (2.5, 2.0))):
        scheme = MetaGame(prediction=step, solver=Forced(0.0), clip=clip)
        _, infos = scheme.sweep(Watched(), jnp.zeros(()), jnp.full((4, 1), 1.0), 2, jax.random.key(0))
        np.testing.assert_allclose(infos["carry"][:, :, 0], [[weight] * 4 for weight in weights])
