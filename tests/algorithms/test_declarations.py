"""What a hyperparameter is called says nothing unless it reaches the declaration."""

import inspect
import typing

import pytest

from hamlet.algorithms import ALGORITHMS

# What some hyperparameters have to stand beside to mean anything.
BESIDE = {
    **{name: {"filters": (4,), "kernels": (3,), "strides": (1,)} for name in ("filters", "kernels", "strides")},
    "baseline_samples": {"advantage": "counterfactual"},
}


def other(kind, value):
    """A value of the same kind that is not the given one."""
    if typing.get_origin(kind) is typing.Literal:
        return next(choice for choice in typing.get_args(kind) if choice != value)
    if value is None:
        return (7,)
    if isinstance(value, bool):
        return not value
    if isinstance(value, tuple):
        return tuple(one + 1 for one in value)
    return value + 1 if isinstance(value, int) else 0.5 * value or 0.25


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_hyperparameter_has_a_part_of_its_own_in_the_declaration(name):
    factory, kinds = ALGORITHMS[name], typing.get_type_hints(ALGORITHMS[name])
    made = {}
    parameters = inspect.signature(factory).parameters
    for parameter, about in parameters.items():
        beside = BESIDE.get(parameter, {})
        beside = beside if parameters.keys() >= beside.keys() else {}
        changed = beside | {parameter: other(kinds[parameter], beside.get(parameter, about.default))}
        made[parameter] = factory(**changed)
        assert made[parameter] != factory(**beside), parameter
        twins = [one for one, declared in made.items() if one != parameter and declared == made[parameter]]
        assert not twins, f"{parameter} does what {twins[0]} does"
