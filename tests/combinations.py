"""Which algorithm is run on what: read by the tests that run it, and by docs/generate.py.

So the table of docs/status.md is made from the very lists that parametrise the tests, and claims only what they run. A
combination is a pair of names and whether it is left to `make test-slow`.
"""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass

from games import Levers, MaskedRecurrent, Pairs
from hamlet import envs
from hamlet.algorithms import ALGORITHMS
from hamlet.envs.base import Environment
from hamlet.networks.actors import Deterministic, Exploring, Squashed, Stochastic
from hamlet.networks.duelling import Greedy
from hamlet.networks.mixers.q_dpp import DiverseUtilities
from hamlet.networks.utility import Utilities
from offpolicy import NAMES, ON_POLICY


@dataclass(frozen=True)
class Game:
    """What tests/contract plays.

    Attributes:
        env: The environment.
        memory: Whether algorithms play it with memory.
        sharing: Whether agents of equal spaces share their parameters.
    """

    env: Environment
    memory: bool = False
    sharing: bool = False

    @property
    def kinds(self) -> set[str]:
        """Of the agents' actions."""
        return {type(group.action).__name__ for group in self.env.groups}

    @property
    def unlike(self) -> bool:
        """Whether its agents have unlike spaces."""
        return len(self.env.groups) > 1


DISCRETE = envs.make("mpe/simple_spread", continuous=False, agents=2)
CONTINUOUS = envs.make("mpe/simple_spread", continuous=True, agents=2)
GAMES = {
    "spread": Game(DISCRETE),
    "continuous_spread": Game(CONTINUOUS),
    "speaker_listener": Game(envs.make("mpe/simple_speaker_listener")),
    "masked_recurrent": Game(MaskedRecurrent(), memory=True),
    "discrete_speaker_listener": Game(envs.make("mpe/simple_speaker_listener", continuous=False)),
    "levers": Game(Levers()),
    "levers_remembered": Game(Levers(), memory=True),
    "pairs": Game(Pairs()),
    "pairs_remembered": Game(Pairs(), memory=True),
    "spread_remembered": Game(DISCRETE, memory=True),
    "continuous_spread_remembered": Game(CONTINUOUS, memory=True),
    "spread_shared": Game(DISCRETE, sharing=True),
    "continuous_spread_shared": Game(CONTINUOUS, sharing=True),
}


ABLATIONS = ("il", "il_pp", "matrl_without_response")
# Whose mixers alone differ from those of others that play: tests/networks and tests/theory hold them by default.
MIXERS = ("iql", "vdn", "qtran", "qplex")
# Which of them can have memory.
REMEMBERING = {name: "rnn_size" in inspect.signature(make).parameters for name, make in ALGORITHMS.items()}


def played() -> Iterator[tuple[str, str, bool]]:
    """Every algorithm on every game in which it can act, and remember where that is asked; the first by default.

    Masked recurrent is for all, also without memory: it has masks and deaths. What tests/haml/test_meta_game.py holds
    to be `matrl` or `ippo` but for one part plays nothing by default.
    """
    for name, make in ALGORITHMS.items():
        games = [game for game, its in GAMES.items() if its.kinds <= set(make().actions)]
        able = [g for g in games if g == "masked_recurrent" or not GAMES[g].memory or REMEMBERING[name]]
        yield from ((name, game, number > 0 or name in (*ABLATIONS, *MIXERS)) for number, game in enumerate(able))


def remembers(name: str, game: str) -> bool:
    """Whether the algorithm plays the game with memory."""
    return GAMES[game].memory and REMEMBERING[name]


# Taught the same on the host as compiled; and below, killed at any moment and resumed to the same bits.
HOSTED = {"happo": False, "hatd3": True, "mappo": True, "qmix": True}
# Played hosted, compiled and by halves of the copies the same, step for step; by default one whose agents act apart and
# one whose agents act together.
PLAYED_ALIKE = {name: name not in ("happo", "q_dpp") for name in ALGORITHMS}
KILLED = {name: name != "happo" for name in ALGORITHMS}
# Small games with known optima are learnt, and no control learns them.
# Those that were seen to are left to happo and hatd3 by default; one that is new is not.
_SEEN = ("coma", "haa2c", "hatrpo", "ippo", "mappo", "maa2c", "matrl", *ABLATIONS)
LEARNT = {name: name in _SEEN for name in ON_POLICY} | {name: name != "hatd3" for name in NAMES}
# The kinds of actors whose policies are exported and act as the original does, over every kind of action of theirs.
EXPORTED = {kind.__name__: False for kind in (Stochastic, Deterministic, Squashed, Greedy, Utilities, Exploring)}
EXPORTED |= {DiverseUtilities.__name__: True}
