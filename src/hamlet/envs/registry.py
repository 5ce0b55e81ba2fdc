"""The environments that have a name, and `make`.

Other packages register environments through the entry-point group ``hamlet.envs``. The name of the entry is the name of
the environment. Its value is a callable that takes the options as keywords and returns an
`hamlet.envs.base.Environment` or an `hamlet.envs.host.HostEnvironment`.
"""

import inspect
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import entry_points
from typing import Any

from hamlet.envs import mamujoco
from hamlet.envs.atari import games
from hamlet.envs.grid.checkers import Checkers
from hamlet.envs.grid.switch import Switch
from hamlet.envs.matrix import named_games, payoff_games, small_games
from hamlet.envs.mpe.simple_reference import SimpleReference
from hamlet.envs.mpe.simple_speaker_listener import SimpleSpeakerListener
from hamlet.envs.mpe.simple_spread import SimpleSpread
from hamlet.errors import RequestError, unknown
from hamlet.nearest import suggestion

ENTRY_POINTS = "hamlet.envs"

ENVIRONMENTS: dict[str, Callable[..., Any]] = {
    "atari/pong": games.pong,
    "game/memory": small_games.Recall,
    "game/product": small_games.Product,
    "game/product_discrete": small_games.ProductDiscrete,
    "game/two_state": small_games.TwoStateGame,
    "grid/checkers": Checkers,
    "grid/switch": Switch,
    "matrix/chicken": named_games.chicken,
    "matrix/climbing": named_games.climbing,
    "matrix/example_1": named_games.example_1,
    "matrix/example_2": small_games.Halves,
    "matrix/file": payoff_games.file,
    "matrix/matching_pennies": named_games.matching_pennies,
    "matrix/penalty": named_games.penalty,
    "matrix/plateau": named_games.plateau,
    "matrix/prisoners_dilemma": named_games.prisoners_dilemma,
    "matrix/stag_hunt": named_games.stag_hunt,
    "mpe/simple_reference": SimpleReference,
    "mpe/simple_speaker_listener": SimpleSpeakerListener,
    "mpe/simple_spread": SimpleSpread,
}
ENVIRONMENTS |= {name: mamujoco.task(name) for name in mamujoco.NAMES}


def make(name: str, **options: Any) -> Any:
    """Make the environment with this name and these options.

    Raises:
        RequestError: No environment has this name, it does not have this option, or it refuses an option's value.

    >>> make("mpe/simple_spread", agents=2)
    SimpleSpread(agents=2, continuous=True, local_ratio=0.5, max_steps=25)
    """
    factory = _factory(name)
    _refuse_unknown_options(name, factory, options)
    return factory(**options)


def name_of(environment: Any) -> str:
    """Return the name from which `make` makes such an environment, or else the name of its class.

    >>> name_of(make("mpe/simple_spread", agents=4)), name_of(make("matrix/climbing", rounds=3))
    ('mpe/simple_spread', 'matrix/climbing')
    """
    name, kind = getattr(environment, "name", None), type(environment)
    if isinstance(name, str) and name.startswith("mamujoco/"):
        return name
    games = (factory for factory in vars(named_games).values() if factory in ENVIRONMENTS.values())
    same = [
        game
        for game in games
        if kind is payoff_games.Matrix and replace(game(), rounds=environment.rounds) == environment
    ]
    factory = same[0] if same else kind
    return next((name for name, known in ENVIRONMENTS.items() if known is factory), kind.__name__)


def _factory(name: str) -> Callable[..., Any]:
    if name in ENVIRONMENTS:
        return ENVIRONMENTS[name]
    if name.startswith("mamujoco/ManySegment"):
        return mamujoco.task(name)
    registered = {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}
    if name not in registered:
        raise unknown("environment", name, ENVIRONMENTS.keys() | registered.keys(), see="hamlet list envs")
    return registered[name].load()


def _refuse_unknown_options(name: str, factory: Callable[..., Any], options: dict[str, Any]) -> None:
    parameters = inspect.signature(factory).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for option in options.keys() - parameters.keys():
        near = suggestion(option, parameters)
        raise RequestError(f"{name} has no option {option!r}{near}; its options are: {', '.join(parameters)}")
