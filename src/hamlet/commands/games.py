"""``hamlet games``: gradient play on games of two players with two choices each, and how gradients vary."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hamlet.envs.matrix import named_games, payoff_games
from hamlet.errors import RequestError, require, unknown
from hamlet.experiments import gradient_play, gradient_variance
from hamlet.games import gradient
from hamlet.nearest import suggestion
from hamlet.options import layout
from hamlet.options.parsing import HELP, Command, OptionGroup


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """Options of ``hamlet games table1``.

    Attributes:
        games: Random games of each class.
        seed: From which they are drawn.
        json: Print one JSON object instead.
    """

    games: int = 1000
    seed: int = 0
    json: bool = False


@dataclass(frozen=True, kw_only=True)
class DynamicsOptions:
    """Options of ``hamlet games dynamics``.

    Attributes:
        out: The picture, .png, .svg or .pdf; GAME.png if it is not given.
        rule: Of iga, iga-pp, wolf-iga, lola, il-pp, matrl and matrl-without-response those to follow, with commas
            between.
        start: Each player's probability of its first choice at the start, with a comma between.
        step: The size β of a step. Without it, the rule's own.
        predicted: The size η or γ of the step that is foreseen. Without it, the rule's own.
        steps: How many steps are followed.
        seed: From which a game of a random class is drawn.
    """

    out: Path | None = None
    rule: str = "matrl,iga"
    start: str = "0.9,0.2"
    step: float | None = None
    predicted: float | None = None
    steps: int = 1000
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class VarianceOptions:
    """Options of ``hamlet games variance``.

    Attributes:
        agents: How many agents the games have, with commas between.
        games: Random games for each number of agents.
        choices: Of every agent.
        seed: From which they are drawn.
        out: The picture, .png, .svg or .pdf.
        json: Print one JSON object, with every game, instead of the table.
    """

    agents: str = "2,3,4,6,8"
    games: int = 200
    choices: int = 3
    seed: int = 0
    out: Path = Path("variance.png")
    json: bool = False


TABLE = Command(
    "hamlet games table1",
    (),
    (OptionGroup("table", TableOptions, pairs=False),),
    "MATRL's table 1: how often gradient play meets an equilibrium of random games of two by two,\n"
    "and after how many steps, beside the paper's numbers; then at equal sizes of step, and at large ones.\n\n"
    "example: hamlet games table1 --seed 1",
)
DYNAMICS = Command(
    "hamlet games dynamics",
    ("GAME",),
    (OptionGroup("dynamics", DynamicsOptions, pairs=False),),
    "Draw where gradient play leads in a game of two by two: the slopes, the path of each rule, and the trust\n"
    "stable region of MATRL's. GAME is one of {games},\n"
    "or a .json or .npy file of payoffs [player, row, column].\n\n"
    "examples:\n"
    "  hamlet games dynamics matching-pennies\n"
    "  hamlet games dynamics chicken --rule matrl,lola --start 0.4,0.6 --out chicken.svg",
)
VARIANCE = Command(
    "hamlet games variance",
    (),
    (OptionGroup("variance", VarianceOptions, pairs=False),),
    "How much one agent's gradient estimate varies with no baseline, with V(s), COMA's and the optimal baseline, and\n"
    "with the others averaged out, by the number of agents: exactly, in random team games.\n\n"
    "example: hamlet games variance --agents 2,4,8 --out variance.png",
)
_BATTLE = [[[2.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 2.0]]]
NAMED: dict[str, Callable[[], Any]] = {
    "battle-of-the-sexes": lambda: _BATTLE,
    "chicken": lambda: named_games.chicken().payoffs,
    "example-1": lambda: named_games.example_1().payoffs,
    "matching-pennies": lambda: named_games.matching_pennies().payoffs,
    "prisoners-dilemma": lambda: named_games.prisoners_dilemma().payoffs,
    "stag-hunt": lambda: named_games.stag_hunt().payoffs,
}
GAMES = (*NAMED, *gradient_play.CLASSES)
DYNAMICS = dataclasses.replace(DYNAMICS, description=DYNAMICS.description.format(games=", ".join(GAMES)))
TOPICS: Mapping[str, Command] = {"table1": TABLE, "dynamics": DYNAMICS, "variance": VARIANCE}
_KINDS = (".png", ".svg", ".pdf")
_SAYS = {
    "table1": "MATRL's table 1, the paper's numbers and ours",
    "dynamics GAME": "where gradient play leads in a game of two by two, as a picture",
    "variance": "how much gradient estimates vary, by baseline and number of agents, with a picture",
}


def main(argv: Sequence[str]) -> int:
    """Print the table, or draw a game."""
    if not argv or argv[0] in HELP:
        print(f"usage: hamlet games {' | '.join(_SAYS)}\n\n{layout.rows(_SAYS.items(), indent='  ')}\n")
        print("hamlet games table1 --help says more, and so do the others.")
        return 0
    topic, words, options = read(argv)
    if topic == "table1":
        _table(TableOptions(**options))
    elif topic == "dynamics":
        _dynamics(words[0], DynamicsOptions(**options))
    else:
        _variance(VarianceOptions(**options))
    return 0


def read(argv: Sequence[str]) -> tuple[str, list[str], dict[str, Any]]:
    """The topic, its words and its options.

    Raises:
        RequestError: If something is unknown or of the wrong kind.
    """
    topic, *rest = argv
    if topic not in TOPICS:
        near = suggestion(topic, TOPICS, "'hamlet games {}'")
        raise RequestError(f"hamlet games has no {topic!r}{near} (of {', '.join(TOPICS)})")
    command = TOPICS[topic]
    words, parsed = command.parse(rest)
    return topic, words, parsed.values[command.groups[0].title]


def payoffs(name: str, seed: int) -> np.ndarray:
    """The game of a name, one drawn of a class, or one in a file, ``[player, row, column]``.

    Raises:
        RequestError: If there is none, or it is not two by two.
    """
    if name in gradient_play.CLASSES:
        return gradient_play.draw(1, seed)[gradient_play.CLASSES.index(name), 0]
    if name.endswith((".json", ".npy")):
        table = np.asarray(payoff_games.file(Path(name)).payoffs)
        shape = " × ".join(map(str, table.shape[1:]))
        require(table.shape == (2, 2, 2), f"{name} is a game of {shape} choices; only those of 2 × 2 can be drawn")
        return table
    if name.replace("_", "-") not in NAMED:
        raise unknown("game", name, GAMES)
    return np.asarray(NAMED[name.replace("_", "-")](), np.float64)


def rules(text: str, step: float | None, predicted: float | None) -> dict[str, gradient.Rule]:
    """The rules of names with commas between, with the sizes that were asked for.

    Raises:
        RequestError: If there is no such rule, or a size is not positive, or the rule has none of that kind.
    """
    for flag, size in (("--step", step), ("--predicted", predicted)):
        require(size is None or 0 < size < np.inf, f"{flag} must be above 0, not {size}; try 0.02")
    return {name: _rule(name, step, predicted) for name in _names(text)}


def _names(text: str) -> list[str]:
    return [word.strip().replace("_", "-") for word in text.split(",") if word.strip()]


def start(text: str) -> tuple[float, float]:
    """Two probabilities with a comma between.

    Raises:
        RequestError: If they are not.

    >>> start("0.9,0.2")
    (0.9, 0.2)
    """
    try:
        p, q = (float(word) for word in text.split(","))
    except ValueError:
        raise RequestError(f"--start takes two probabilities, as 0.9,0.2, not {text!r}") from None
    near = ",".join(f"{min(max(z, 0.0), 1.0):g}" if z == z else "0.5" for z in (p, q))
    require(0 <= p <= 1 and 0 <= q <= 1, f"--start takes two probabilities, not {text!r}; the nearest is {near}")
    return p, q


def _rule(name: str, step: float | None, predicted: float | None) -> gradient.Rule:
    if name not in gradient.RULES:
        raise unknown("rule", name, gradient.RULES)
    make = gradient.RULES[name]
    fields = {field.name for field in dataclasses.fields(make)}  # type: ignore[arg-type]
    if step is not None and "size" not in fields:
        other = "--predicted" if "predicted" in fields else "--rule iga"
        raise RequestError(f"{name} has no --step of its own; the nearest is {other} {step:g}")
    sizes = {"size": step, "predicted": predicted, "lookahead": predicted}
    return make(**{field: size for field, size in sizes.items() if size is not None and field in fields})


def _table(options: TableOptions) -> None:
    from hamlet.reports.pictures import gradient_play as report

    measurements = gradient_play.measure(options.games, options.seed)
    print(json.dumps(measurements) if options.json else "\n".join(report.lines(measurements)))


def _variance(options: VarianceOptions) -> None:
    from hamlet.reports.pictures import gradient_variance as report

    try:
        agents = [int(word) for word in options.agents.split(",")]
    except ValueError:
        raise RequestError(f"--agents takes whole numbers, as 2,4,8, not {options.agents!r}") from None
    out = options.out
    require(out.suffix in _KINDS, f"{out} is of no kind that is drawn; the nearest is {out.with_suffix('.png')}")
    measurements = gradient_variance.measure(sorted(set(agents)), options.games, options.choices, options.seed)
    print(json.dumps(measurements) if options.json else "\n".join(report.lines(measurements)))
    picture = report.draw(measurements, out)
    if not options.json:
        print(f"wrote {picture}")


def _dynamics(name: str, options: DynamicsOptions) -> None:
    from hamlet.reports.pictures import dynamics

    game, begin = payoffs(name, options.seed), start(options.start)
    followed = rules(options.rule, options.step, options.predicted)
    require(bool(followed), f"--rule is empty; it takes some of {', '.join(gradient.RULES)}, with commas between")
    require(1 <= options.steps <= 100_000, f"--steps is from 1 to 100,000, not {options.steps}")
    out = options.out or Path(f"{Path(name).stem}.png")
    require(out.suffix in _KINDS, f"{out} is of no kind that is drawn; the nearest is {out.with_suffix('.png')}")
    title = name if name not in gradient_play.CLASSES else f"{name}, seed {options.seed}"
    walks = {rule: gradient_play.walk(update, game, begin, options.steps) for rule, update in followed.items()}
    for rule, walk in walks.items():
        print(f"{rule}: {walk.summary}")
    print(f"wrote {dynamics.draw(title, game, walks, out)}")
