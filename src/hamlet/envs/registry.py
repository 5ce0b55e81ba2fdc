"""Environments by name.

Others register theirs through the entry-point group ``hamlet.envs``: the entry's name is the environment's, its value a
callable that takes the options by keyword and gives an `hamlet.envs.base.Environment` or an
`hamlet.envs.host.HostEnvironment`.
"""

import difflib
import inspect
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from hamlet.envs import atari, mamujoco, matrix, matrix_games, small_games
from hamlet.envs.checkers import Checkers
from hamlet.envs.simple_reference import SimpleReference
from hamlet.envs.simple_speaker_listener import SimpleSpeakerListener
from hamlet.envs.simple_spread import SimpleSpread
from hamlet.envs.switch import Switch
from hamlet.errors import RequestError, unknown

ENTRY_POINTS = "hamlet.envs"

ENVIRONMENTS: dict[str, Callable[..., Any]] = {
    "atari/pong": atari.pong,
    "game/memory": small_games.Recall,
    "game/product": small_games.Product,
    "game/product_discrete": small_games.ProductDiscrete,
    "game/two_state": small_games.TwoStateGame,
    "grid/checkers": Checkers,
    "grid/switch": Switch,
    "matrix/chicken": matrix_games.chicken,
    "matrix/climbing": matrix_games.climbing,
    "matrix/example_1": matrix_games.example_1,
    "matrix/example_2": small_games.Halves,
    "matrix/file": matrix.file,
    "matrix/matching_pennies": matrix_games.matching_pennies,
    "matrix/penalty": matrix_games.penalty,
    "matrix/plateau": matrix_games.plateau,
    "matrix/prisoners_dilemma": matrix_games.prisoners_dilemma,
    "matrix/stag_hunt": matrix_games.stag_hunt,
    "mpe/simple_reference": SimpleReference,
    "mpe/simple_speaker_listener": SimpleSpeakerListener,
    "mpe/simple_spread": SimpleSpread,
}
ENVIRONMENTS |= {name: mamujoco.task(name) for name in mamujoco.NAMES}


def make(name: str, **options: Any) -> Any:
    """The environment of a name, with its options.

    Raises:
        RequestError: If no environment has the name, it has no such option, or it refuses an option's value.

    >>> make("mpe/simple_spread", agents=2)
    SimpleSpread(agents=2, continuous=True, local_ratio=0.5, max_steps=25)
    """
    factory = _factory(name)
    _refuse_unknown_options(name, factory, options)
    return factory(**options)


def _factory(name: str) -> Callable[..., Any]:
    if name in ENVIRONMENTS:
        return ENVIRONMENTS[name]
    if name.startswith("mamujoco/ManySegment"):
        return mamujoco.task(name)
    registered = {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}
    if name not in registered:
        raise unknown("environment", name, ENVIRONMENTS.keys() | registered.keys())
    return registered[name].load()


def _refuse_unknown_options(name: str, factory: Callable[..., Any], options: dict[str, Any]) -> None:
    parameters = inspect.signature(factory).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for option in options.keys() - parameters.keys():
        near = difflib.get_close_matches(option, parameters, n=1, cutoff=0.0)
        nearest = f"; the nearest is {near[0]!r}" if near else ""
        raise RequestError(f"{name} has no option {option!r}{nearest} (of {', '.join(parameters)})")
