"""What is no seed is refused in a line, before anything is made; and what is drawn is drawn apart."""

import math

import jax
import numpy as np
import pytest

import hamlet
from hamlet.cli import main
from hamlet.errors import RequestError
from hamlet.networks.joint import draw
from hamlet.roster import Group, Roster
from hamlet.runs.seeds import check_seed
from hamlet.spaces import Box, Discrete

WRONG = [2**32, -1, 1.5, True, np.bool_(False), None, "3", math.nan, 10**30]


@pytest.mark.parametrize("seed", WRONG)
def test_what_is_no_seed_is_refused_in_one_line(seed):
    with pytest.raises(RequestError, match="--seed") as refusal:
        check_seed(seed)
    assert "\n" not in str(refusal.value)


# Others than whole numbers do not come so far here, where annotations are checked.
@pytest.mark.parametrize("seed", [2**32, -1, 10**30])
def test_training_refuses_what_is_no_seed_and_makes_nothing(seed, tmp_path):
    with pytest.raises(RequestError) as refusal:
        hamlet.train("happo", "matrix/climbing", steps=10, seed=seed, out=tmp_path / "run")
    assert "--seed" in str(refusal.value) and "\n" not in str(refusal.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "words", ["--seed 4294967296", "--seed -1", "--seed 4294967295 --seeds 2", "--seed 1.5", "--seed True"]
)
def test_the_command_line_refuses_them_likewise(words, tmp_path, capsys):
    out = ["--out", str(tmp_path / "run")]
    assert main(["train", "happo", "matrix/climbing", "--steps", "10", *words.split(), *out]) == 2
    assert capsys.readouterr().err.count("\n") == 1 and not (tmp_path / "run").exists()


def test_seeds_are_whole_numbers_of_32_bits():
    assert [check_seed(seed) for seed in (0, 2**32 - 1, np.int64(7))] == [0, 2**32 - 1, 7]
    assert type(check_seed(np.uint32(7))) is int
    with pytest.raises(RequestError, match="the nearest is 4294967294"):
        check_seed(2**32 - 1, 2)


def test_agents_of_unlike_groups_draw_their_actions_apart():
    groups = tuple(Group((name,), Box(0.0, 1.0, (1,)), Discrete(4)) for name in ("ann", "ben"))
    first, second = draw(Roster(groups), jax.random.key(0), 5).noise
    assert not np.isclose(first, second).any()
