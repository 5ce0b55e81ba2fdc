"""PettingZoo environments as batches of arrays: what goes in, what comes out, and what is refused."""

import contextlib
import enum
import functools
import itertools
import re
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import doubles
from hamlet.envs import from_pettingzoo
from hamlet.envs.factories.options import plain
from hamlet.envs.pettingzoo.env_driver import seed_of
from hamlet.errors import RequestError, RunError
from hamlet.runs.configuration import decode, encode
from hamlet.spaces import Box, Composite, Discrete, MultiDiscrete


@contextlib.contextmanager
def opened(env, count=2, seed=0, first=0):
    copies = replace(env, copies=count).open(seed, range(first, first + count))
    try:
        yield copies
    finally:
        copies.close()


def chosen(env, view, rng):
    """Random actions that the masks allow."""
    actions = []
    for g, group in enumerate(env.groups):
        shape = view.observation[g].shape[:2]
        match group.action:
            case Box() as box:
                actions.append(rng.normal(size=(*shape, *box.shape)).astype(np.float32))
            case Discrete(n):
                mask = np.ones((*shape, n)) if view.available[g] is None else view.available[g]
                actions.append(np.argmax(mask * rng.uniform(0.1, 1, mask.shape), -1).astype(np.int32))
            case MultiDiscrete(sizes):
                actions.append(rng.integers(0, sizes, (*shape, len(sizes)), np.int32))
    return tuple(actions)


def played(env, steps, count=3, seed=0, first=0):
    """The first view, and the steps of random play that every copy draws for itself."""
    rngs = [np.random.default_rng(number) for number in range(first, first + count)]
    with opened(env, count, seed, first) as copies:
        views, found = [copies.begin(np.zeros(count, np.int64))], []
        for _ in range(steps):
            rows = [chosen(env, row_of(views[-1], e), rng) for e, rng in enumerate(rngs)]
            copies.send(tuple(np.concatenate(parts) for parts in zip(*rows, strict=True)))
            found.append(copies.receive())
            views.append(found[-1].view)
        return views[0], found


def row_of(view, e):
    cut = lambda x: None if x is None else x[e : e + 1]  # noqa: E731
    return type(view)(
        tuple(map(cut, view.observation)), cut(view.state), tuple(map(cut, view.available)), cut(view.alive)
    )


def flat(first, found):
    """Every array of a play, by the order in which they came."""
    views = [first, *(view for step in found for view in (step.arrival, step.view))]
    yield from (x for v in views for x in (*v.observation, v.state, *v.available, v.alive) if x is not None)
    for step in found:
        yield from (step.outcome.reward, step.outcome.terminated, step.outcome.truncated, step.outcome.cut)


def test_a_declaration_is_read_back_from_its_json():
    for env in (from_pettingzoo(doubles.Walk, agents=3, copies=4), from_pettingzoo(doubles.Motley, timeout=5.0)):
        assert decode(encode(env), trusted=True) == env
        assert hash(decode(encode(env), trusted=True)) == hash(env)


def test_steps_are_those_of_the_environment_played_by_hand():
    env = from_pettingzoo(doubles.Own, steps=3)
    first, found = played(env, 7, count=2, seed=5)
    for e in range(2):
        rng = np.random.default_rng(e)
        own, episode = doubles.Own(steps=3), 0
        seen, _ = own.reset(seed=seed_of(5, e, 0))
        assert (first.observation[0][e] == np.stack(list(seen.values()))).all()
        view = row_of(first, e)
        for step in found:
            actions = chosen(env, view, rng)[0][0]
            seen, rewards, _, cuts, _ = own.step(dict(zip(own.possible_agents, actions.tolist(), strict=True)))
            assert (step.arrival.observation[0][e] == np.stack(list(seen.values()))).all()
            assert (step.arrival.state[e] == own.state().astype(np.float32)).all()
            assert (step.outcome.reward[e] == np.float32(list(rewards.values()))).all()
            assert step.outcome.truncated[e] == all(cuts.values()) and not step.outcome.terminated[e]
            if all(cuts.values()):
                episode += 1
                seen, _ = own.reset(seed=seed_of(5, e, episode))
            assert (step.view.observation[0][e] == np.stack(list(seen.values()))).all()
            assert (step.view.state[e] == own.state().astype(np.float32)).all()
            view = row_of(step.view, e)


@pytest.mark.parametrize("factory", [doubles.Motley, doubles.Mortal], ids=lambda factory: factory.__name__)
def test_the_number_of_processes_changes_nothing(factory):
    plays = [list(flat(*played(from_pettingzoo(factory, processes=n), 9))) for n in (1, 2, 3)]
    for other in plays[1:]:
        assert all((a == b).all() and a.dtype == b.dtype for a, b in zip(plays[0], other, strict=True))


def test_a_copy_plays_the_same_in_any_company():
    env = from_pettingzoo(doubles.Walk, processes=1)
    _, alone = played(env, 6, count=1, first=2)
    _, among = played(env, 6, count=3)
    for a, b in zip(alone, among, strict=True):
        assert (a.view.observation[0][0] == b.view.observation[0][2]).all()
        assert (a.outcome.reward[0] == b.outcome.reward[2]).all()
        assert (b.view.observation[0][0] != b.view.observation[0][2]).any()


def test_episodes_are_begun_by_their_number():
    env = from_pettingzoo(doubles.Walk, processes=2, steps=2)
    _, found = played(env, 4, count=2)
    with opened(env) as copies:
        again = copies.begin(np.array([2, 1]))
        assert (again.observation[0][0] == found[3].view.observation[0][0]).all()
        assert (again.observation[0][1] == found[1].view.observation[0][1]).all()
        assert copies.snapshot()["episode"].tolist() == [2, 1]
        copies.send(chosen(env, again, np.random.default_rng(0)))
        copies.receive()
        copies.send(chosen(env, again, np.random.default_rng(0)))
        copies.receive()
        snapshot = copies.snapshot()
        assert snapshot["episode"].tolist() == [3, 2]
        blank = env.blank(2)
        assert {k: (v.shape, v.dtype) for k, v in blank.items()} == {k: (v.shape, v.dtype) for k, v in snapshot.items()}
        # So is one of which some workers' answers have been awaited, when the waiting was interrupted.
        copies.send(chosen(env, again, np.random.default_rng(0)))
        copies.workers[0].answer(5.0)
        assert (copies.begin(np.array([2, 1])).observation[0] == again.observation[0]).all()
        # A step that is under way when an episode is begun is forgotten.
        copies.send(chosen(env, again, np.random.default_rng(0)))
        assert (copies.begin(np.array([2, 1])).observation[0] == again.observation[0]).all()


def test_agents_die_are_cut_alone_and_come_back():
    env = from_pettingzoo(doubles.Mortal, processes=1)
    first, found = played(env, 5, count=1)
    assert first.alive.tolist() == [[True, True, True]]
    # 1 dies at step 2, 0 is cut alone at step 3, 2 dies at step 4: of those that remained to the end, all terminated.
    arrived = [step.arrival.alive[0].tolist() for step in found]
    assert arrived == [[True] * 3, [True, False, True], [False, False, True], [False] * 3, [True] * 3]
    assert [step.outcome.cut[0].tolist() for step in found] == [[False] * 3] * 2 + [[True, False, False]] + [
        [False] * 3
    ] * 2
    assert [bool(step.outcome.terminated[0]) for step in found] == [False, False, False, True, False]
    assert not any(step.outcome.truncated[0] for step in found)
    assert found[3].view.alive.tolist() == [[True] * 3]
    # The last observation of one that leaves is shown as it leaves, and then zeros.
    assert found[1].arrival.observation[0][0, 1, 1] == 2 and found[2].arrival.observation[0][0, 0, 1] == 3
    assert (found[2].arrival.observation[0][0, 1] == 0).all() and (found[3].arrival.observation[0][0, :2] == 0).all()
    assert found[1].outcome.reward[0, 1] >= 0.5 and (found[2].outcome.reward[0, 1] == 0.0)


def test_an_agent_may_stay_away_from_an_episode_and_what_environments_print_is_no_output(capfd):
    env = from_pettingzoo(doubles.Sometimes, processes=1, steps=2)
    first, found = played(env, 12, count=1)  # the double refuses actions of the absent
    there = [seed_of(0, 0, k) % 2 == 0 for k in range(7)]
    assert {(True, False), (False, True)} <= set(itertools.pairwise(there))
    for k, view in enumerate([first, *(step.view for step in found[1::2])]):
        assert view.alive.tolist() == [[there[k], True]]
        assert (view.observation[0][0, 0] == 0).all() != there[k]
    for k, step in enumerate(found[1::2]):
        assert step.outcome.truncated.all() and step.outcome.cut.tolist() == [[there[k], True]]
        assert step.outcome.reward[0, 0] == 0 or there[k]
    out, err = capfd.readouterr()
    assert out == "" and "let us play" in err


def test_at_a_limit_of_time_agents_would_act_on():
    env = from_pettingzoo(doubles.Walk, processes=1, steps=2)
    _, found = played(env, 2, count=1)
    assert found[1].outcome.truncated.tolist() == [True] and found[1].outcome.terminated.tolist() == [False]
    assert found[1].arrival.alive.tolist() == [[True, True]] and found[1].outcome.cut.tolist() == [[True, True]]
    assert (found[1].arrival.observation[0][0, :, 1] == 2).all() and (found[1].view.observation[0][0, :, 1] == 0).all()


def test_unlike_agents_are_grouped_and_none_is_padded():
    env = from_pettingzoo(doubles.Motley, processes=2)
    assert [group.names for group in env.groups] == [
        ("walker_0",), ("walker_1",), ("walker_2",), ("walker_3", "walker_4")
    ]  # fmt: skip
    assert [type(group.action) for group in env.groups] == [Discrete, MultiDiscrete, Box, Discrete]
    assert env.groups[2].observation == Discrete(7) and env.groups[2].action == Box(-1.0, (2.0, 3.0), (2,))
    first, found = played(env, 6)
    assert [seen.dtype for seen in first.observation] == [np.float32, np.float32, np.int32, np.uint8]
    assert [seen.shape for seen in first.observation] == [(3, 1, 3), (3, 1, 5), (3, 1), (3, 2, 2, 2)]
    # Joined for the critic: 3 + 5 + one of 7 + twice 4 numbers.
    assert env.state_shape == (23,) and "joined" in env.remarks[0] and "no state()" in env.remarks[0]
    step = found[1]
    joined = np.concatenate([step.view.observation[0][0, 0], step.view.observation[1][0, 0],
                             np.eye(7)[2], np.full(8, 202.0)])  # fmt: skip
    assert (step.view.state[0] == joined.astype(np.float32)).all()


def test_choices_that_are_seen_are_counted_from_zero_and_must_be_among_those_of_the_space():
    env = from_pettingzoo(doubles.Motley, processes=1, steps=9)
    first, found = played(env, 6, count=1)  # the space begins at 3, and so does the double
    assert first.observation[2].tolist() == [[0]]
    assert [step.view.observation[2].tolist() for step in found] == [[[k]] for k in range(1, 7)]
    with pytest.raises(RunError, match=r"step 7 .*'walker_2' is 10, which is not one of the values of its space"):
        played(env, 7, count=1)


def test_actions_are_handed_over_as_the_spaces_have_them():
    env = from_pettingzoo(doubles.Motley, processes=1)
    with opened(env, 1) as copies:
        copies.begin(np.zeros(1, int))
        # Discrete from −1: the middle choice is 0. Of a Box beyond its bounds (2, 3): cut to them.
        copies.send((np.ones((1, 1), np.int32), np.array([[[1, 3]]]), np.array([[[9.0, -9.0]]]), np.zeros((1, 2), int)))
        reward = copies.receive().outcome.reward[0]
    assert reward.tolist() == [0.0, 4.5, 2.0 - 1.0 + 1.0, 1.5, 2.0]


def test_masks_come_from_observations_and_from_infos():
    env = from_pettingzoo(doubles.Masked, processes=1)
    assert [group.names for group in env.groups] == [("walker_0", "walker_1")]
    first, found = played(env, 12, count=2)  # the double refuses an action that is not allowed
    assert first.available[0].tolist() == [[[False, True, True]] * 2] * 2
    assert all(step.view.available[0].sum(-1).tolist() == [[2, 2]] * 2 for step in found)


def test_who_waits_for_its_turn_has_one_choice():
    env = from_pettingzoo(doubles.Turns, processes=1)
    assert "turns" in env.remarks[1]
    with opened(env, 1) as copies:
        view, rewards = copies.begin(np.zeros(1, int)), []
        for step in range(6):
            turns = [[[True] * 3, [True, False, False]], [[True, False, False], [True] * 3]]
            assert view.available[0][0].tolist() == turns[step % 2] and view.alive.all()
            copies.send((np.array([[1, 2]]),))
            one = copies.receive()
            rewards.append(one.outcome.reward[0].tolist())
            view = one.view
        assert rewards == [[s, s] for s in (1.0, 3.0, 4.0, 6.0, 7.0, 9.0)] and one.outcome.terminated.all()


def test_masks_are_wide_enough_and_leave_a_choice():
    masks = {
        "narrow": "has 2 entries, but the agent has 3 actions",
        "empty": "the action_mask of agent 'walker_0' allows no",
    }
    for kind, said in masks.items():
        env = replace(from_pettingzoo(doubles.Masked, processes=1), options=(("fault", kind),))
        with opened(env, 1) as copies:
            copies.begin(np.zeros(1, int))
            copies.send((np.ones((1, 2), np.int32),))
            with pytest.raises(RunError, match=f"copy 0 at step 1 of episode 0 .*{said}"):
                copies.receive()


def test_images_stay_bytes_and_are_joined_by_channel():
    env = from_pettingzoo(doubles.Images, processes=1, agents=3)
    assert env.state_shape == (8, 8, 5)
    first, _ = played(env, 1, count=2)
    assert {x.dtype for x in (*first.observation, first.state)} == {np.dtype(np.uint8)}
    base = int(first.observation[0][0, 0, 0, 0, 0])
    assert first.state[0, 3, 4].tolist() == [base] * 3 + [(base + 1) % 256, (base + 2) % 256]
    assert first.observation[1].shape == (2, 2, 8, 8, 1)


def test_a_state_is_used_or_the_line_says_why_not():
    own, joined = from_pettingzoo(doubles.Own), from_pettingzoo(doubles.Own, state="observations")
    assert own.state_shape == (4,) and "own state()" in own.remarks[0]
    assert joined.state_shape == (6,) and "as configured" in joined.remarks[0]
    broken = from_pettingzoo(doubles.Faulty, fault="state raises")
    assert broken.state_shape == (6,) and "raises KeyError: 'nobody'" in broken.remarks[0]
    with pytest.raises(RequestError, match="state\\(\\) raises KeyError: 'nobody'; use state='observations'"):
        _ = from_pettingzoo(doubles.Faulty, fault="state raises", state="own").groups


def test_a_picture_beside_a_vector_is_a_state_in_which_the_critic_sees_the_picture_as_one():
    env = from_pettingzoo(doubles.Sizes, processes=1)
    assert env.state_shape == (8 * 8 * 3 + 3,)
    assert env.state_space == Composite((Box(0.0, 255.0, (8, 8, 3)), Box(-1.0, 1.0, (3,))))
    first, _ = played(env, 1, count=2)
    assert (first.state[:, :192] == first.observation[0].reshape(2, -1)).all() and (first.state[:, 192:] == 0).all()


def mine(module="__main__"):
    """As a script's own function looks: of ``__main__``, and held by no other module."""
    made = type("Mine", (doubles.Walk,), {})
    made.__module__ = module
    return made


def test_a_script_that_is_imported_by_another_process_names_no_factory(monkeypatch):
    script = types.ModuleType("__mp_main__")
    script.Mine = mine("__mp_main__")
    script.Mine.__qualname__ = "Mine"
    monkeypatch.setitem(sys.modules, "__mp_main__", script)
    with pytest.raises(
        RequestError, match=r"another process cannot import the factory .*Mine: define it at the top level of a module"
    ):
        from_pettingzoo(script.Mine)


REFUSED = [
    (lambda: doubles.Walk(), "define it at the top level of a module"),
    (functools.partial(doubles.Walk, steps=3), "options as keywords"),
    (mine(), "cannot import the factory .*Mine"),
    ("doubles.Walk", "write MODULE:FACTORY"),
    ("doublets:Walk", "there is no module doublets"),
    ("doubles:Wlak", "has no Wlak; the nearest is Walk"),
    (doubles.Quiet, "not a PettingZoo environment"),
    (doubles.broken_factory, "OSError: the game is not installed"),
]


@pytest.mark.parametrize(("factory", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_what_cannot_be_played_is_refused_in_a_line(factory, said):
    with pytest.raises(RequestError, match=said) as refusal:
        _ = from_pettingzoo(factory).groups
    assert "\n" not in str(refusal.value)


def test_options_that_the_factory_does_not_take_and_numbers_that_are_none_are_refused():
    with pytest.raises(RequestError, match="unexpected keyword argument 'stpes'"):
        _ = from_pettingzoo(doubles.Walk, stpes=3).groups
    with pytest.raises(RequestError, match="the option steps is a dict, which a run cannot store: give one option for"):
        from_pettingzoo(doubles.Walk, steps={"few": 3})
    env = from_pettingzoo(doubles.Walk)
    for wrong in ({"copies": 0}, {"processes": 0}, {"timeout": 0.0}):
        with pytest.raises(RequestError, match=next(iter(wrong))):
            replace(env, **wrong)


@enum.unique
class Level(enum.IntEnum):
    LOW = 3


class Colour(enum.Enum):
    RED = 1


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.longdouble(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (Path("map.txt"), "map.txt"),
        (Level.LOW, 3),
        ([1, [2, Path("b")]], (1, (2, "b"))),
        (range(3), (0, 1, 2)),
        (None, None),
    ],
)
def test_options_of_common_types_are_kept_as_plain_values(given, kept):
    value = plain("size", given)
    assert value == kept and type(value) is type(kept)
    assert decode(encode((("size", value),))) == (("size", kept),)


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        (Colour.RED, "a Colour, which a run cannot store: give its name, 'RED'"),
        (np.arange(3), "size.tolist()"),
        ({"a": 1}, "one option for each entry"),
        ({3, 1}, "give a sorted tuple"),
        (len, "give its name"),
        (3 + 2j, "a complex, which a run cannot store: give numbers or strings"),
        (np.clongdouble(3 + 2j), "a clongdouble, which a run cannot store: give numbers or strings"),
        ((1, b"x"), "a bytes, which a run cannot store: give numbers or strings"),
    ],
)
def test_options_that_a_run_cannot_keep_are_refused_by_name_with_what_to_give(given, advice):
    with pytest.raises(RequestError, match=f"^the option size is .*{re.escape(advice)}"):
        plain("size", given)


def test_measures_are_those_of_infos_as_last_given_in_the_episode():
    """The mean over the agents that give one; a name that never comes is said, with those that do."""
    env = from_pettingzoo("doubles:Scored", processes=1, measures=("far", "success", "way", "sucess"))
    assert decode(encode(env), trusted=True) == env
    with opened(env) as copies:
        copies.begin(np.zeros(2, np.int64))
        came = []
        for _ in range(5):
            copies.send((np.zeros((2, 2), np.int32),))
            came.append(copies.receive().measures)
        (line,) = copies.notes()
    want = [[2, 0, np.nan, np.nan], [3, 0, 0.5, np.nan], [4, 0, 0.5, np.nan], [5, 1, 0.5, np.nan]]
    np.testing.assert_array_equal(np.stack(came), np.repeat([*want, want[0]], 2, 0).reshape(5, 2, 4))
    assert "the measure 'sucess' in an episode" in line and line.endswith("the infos had 'far', 'path', 'success'")


def test_what_is_no_measure_is_refused_in_a_line():
    for names in (("far", "far"), ("far,success",), ("",)):
        with pytest.raises(RequestError, match=re.escape("--env.measures success collisions")):
            from_pettingzoo("doubles:Scored", measures=names)
    with opened(from_pettingzoo("doubles:Scored", processes=1, measures=("path",))) as copies:
        copies.begin(np.zeros(2, np.int64))
        copies.send((np.zeros((2, 2), np.int32),))
        with pytest.raises(
            RunError, match="the measure 'path' of agent 'walker_0' must be a finite number, got 'long'"
        ):
            copies.receive()


def test_an_environment_that_changed_since_it_was_declared_is_refused(monkeypatch):
    env = from_pettingzoo(doubles.Walk)
    changed = decode(encode(env) | {"options": [["agents", 3]]}, trusted=True)
    with pytest.raises(RequestError, match=r"agents or spaces of .* have changed"):
        changed.open(0, range(1))


def test_a_function_is_found_where_a_module_holds_it():
    from mpe2 import simple_spread_v3

    assert from_pettingzoo(simple_spread_v3.parallel_env).factory == "mpe2.simple_spread_v3:parallel_env"


def test_workers_do_without_jax_and_leave_the_library_to_be_imported_whole():
    """What they have imported is told in the names of the agents."""
    assert [group.names for group in from_pettingzoo(doubles.imports).groups] == [("numpy",)]
