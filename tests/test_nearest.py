"""The nearest valid name: in any case, by what the field calls it, and silent where nothing is near."""

import pytest

from hamlet.algorithms import ALGORITHMS
from hamlet.cli import COMMANDS
from hamlet.commands import crossplay, evaluate, request, resume
from hamlet.envs.registry import ENVIRONMENTS
from hamlet.nearest import ALIASES, closest
from hamlet.options.parsing import OptionGroup

OPTIONS = {option.flag for factory in ALGORITHMS.values() for option in OptionGroup("", factory).options}
OPTIONS |= {*request.BARE.flags, *evaluate.COMMAND.flags, *resume.COMMAND.flags, *crossplay.COMMAND.flags}
OPTIONS |= {f"--env.{name}" for name in ("agents", "max-steps", "continuous")}


@pytest.mark.parametrize(
    ("written", "choices", "meant"),
    [
        ("HAPPO", ALGORITHMS, ("happo",)),
        ("hapo", ALGORITHMS, ("happo",)),
        ("PPO", ALGORITHMS, ("mappo", "ippo", "happo")),
        ("td3", ALGORITHMS, ("hatd3", "matd3")),
        ("dreamer", ALGORITHMS, ()),
        ("simple_spread_v3", ENVIRONMENTS, ("mpe/simple_spread",)),
        ("MPE/Simple-Spread", ENVIRONMENTS, ("mpe/simple_spread",)),
        ("smac", ENVIRONMENTS, ()),
        ("--lr", OPTIONS, ("--learning-rate",)),
        ("--gamma", OPTIONS, ("--discount",)),
        ("--n_envs", OPTIONS, ("--num-envs",)),
        ("--total-timesteps", OPTIONS, ("--steps",)),
        ("--share-policy", OPTIONS, ("--sharing",)),
        ("--log-dir", OPTIONS, ("--out",)),
        ("--N", OPTIONS, ("--env.agents",)),
        ("--colour", OPTIONS, ()),
        ("eval", COMMANDS, ("evaluate",)),
    ],
)
def test_the_nearest_name_is_what_the_field_means_or_nothing(written, choices, meant):
    assert closest(written, choices) == meant


def test_every_alias_stands_for_a_name_that_exists():
    names = {*ALGORITHMS, *COMMANDS, *(flag.removeprefix("--").removeprefix("env.") for flag in OPTIONS)}
    names |= {name.rpartition("/")[2].replace("_", "-") for name in ENVIRONMENTS}
    assert {ours for targets in ALIASES.values() for ours in targets} <= names
    assert not {"happo", "clip", "learning-rate", "train"} & ALIASES.keys()
