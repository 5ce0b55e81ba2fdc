"""``hamlet games``: gradient play in 2 x 2 games (two players, two actions each), and the variance of gradients."""

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
        games: The number of random games in each class of games.
        seed: The seed of the games.
        json: Print one JSON object instead of the table.
    """

    games: int = 1000
    seed: int = 0
    json: bool = False


@dataclass(frozen=True, kw_only=True)
class DynamicsOptions:
    """Options of ``hamlet games dynamics``.

    Attributes:
        out: The file of the figure, which ends in .png, .svg or .pdf. Without it, GAME.png.
        rule: The update rules to show, separated by commas, from iga, iga-pp, wolf-iga, lola, il-pp, matrl and
            matrl-without-response.
        start: The initial probability of the first action for each player, separated by a comma.
        step: The step size β. Without it, the default of each rule.
        predicted: The size η or γ of the predicted step, for rules that predict the other player's step. Without it,
            the default of each rule.
        steps: The number of steps.
        seed: The seed of the game, if GAME is a class of random games: coordination, anti-coordination or cyclic.
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
        agents: The numbers of agents to compare, separated by commas.
        games: The number of random games for each number of agents.
        choices: The number of actions of each agent.
        seed: The seed of the games.
        out: The file of the figure, which ends in .png, .svg or .pdf.
        json: Print one JSON object with the numbers of every game, instead of the table.
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
    "Reproduce table 1 of the MATRL paper: how often gradient play reaches an equilibrium of random\n"
    "2 x 2 games, and after how many steps, next to the paper's numbers. Two more tables use equal step\n"
    "sizes for all rules, and large step sizes.\n\n"
    "example: hamlet games table1 --seed 1",
)
DYNAMICS = Command(
    "hamlet games dynamics",
    ("GAME",),
    (OptionGroup("dynamics", DynamicsOptions, pairs=False),),
    "Draw gradient play in a 2 x 2 game: the gradient field, the path of each update rule, and the\n"
    "trust stable region of the rule matrl. GAME is one of\n"
    "{games},\n"
    "or a .json or .npy file with the payoffs [player, row, column].\n\n"
    "examples:\n"
    "  hamlet games dynamics matching-pennies\n"
    "  hamlet games dynamics chicken --rule matrl,lola --start 0.4,0.6 --out chicken.svg",
)
VARIANCE = Command(
    "hamlet games variance",
    (),
    (OptionGroup("variance", VarianceOptions, pairs=False),),
    "Compute the exact variance of one agent's policy gradient estimate in random team games, for different\n"
    "numbers of agents. The table compares no baseline, V(s), the COMA baseline, the optimal baseline, and\n"
    "an average over the other agents' actions.\n\n"
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
    "table1": "reproduce table 1 of the MATRL paper",
    "dynamics GAME": "draw gradient play in a 2 x 2 game",
    "variance": "compute the variance of gradient estimates, by baseline and number of agents",
}


def main(argv: Sequence[str]) -> int:
    """Run one of the three commands of `hamlet games`."""
    if not argv or argv[0] in HELP:
        print(f"usage: hamlet games {' | '.join(_SAYS)}\n\n{layout.rows(_SAYS.items(), indent='  ')}\n")
        print("For the options of a command, for example: hamlet games table1 --help")
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
    """Return the topic, its words and its options.

    Raises:
        RequestError: The topic or an option is unknown, or an option has a value of the wrong type.
    """
    topic, *rest = argv
    if topic not in TOPICS:
        near = suggestion(topic, TOPICS, "'hamlet games {}'")
        raise RequestError(f"hamlet games has no command {topic!r}{near} (choose from {', '.join(TOPICS)})")
    command = TOPICS[topic]
    words, parsed = command.parse(rest)
    return topic, words, parsed.values[command.groups[0].title]


def payoffs(name: str, seed: int) -> np.ndarray:
    """Return the payoffs ``[player, row, column]`` of a game.

    Args:
        name: The name of a game; a class of games, from which a random one is sampled; or a file.
        seed: The seed of a random game.

    Raises:
        RequestError: There is no such game, or it is not a 2 x 2 game.
    """
    if name in gradient_play.CLASSES:
        return gradient_play.draw(1, seed)[gradient_play.CLASSES.index(name), 0]
    if name.endswith((".json", ".npy")):
        table = np.asarray(payoff_games.file(Path(name)).payoffs)
        shape = " × ".join(map(str, table.shape[1:]))
        require(table.shape == (2, 2, 2), f"{name} is a {shape} game; only 2 × 2 games can be drawn")
        return table
    if name.replace("_", "-") not in NAMED:
        raise unknown("game", name, GAMES)
    return np.asarray(NAMED[name.replace("_", "-")](), np.float64)


def rules(text: str, step: float | None, predicted: float | None) -> dict[str, gradient.Rule]:
    """Return the update rules for names that are separated by commas, with the given step sizes.

    Raises:
        RequestError: There is no such rule; a size is not positive; or a rule has no step size of this kind.
    """
    for flag, size in (("--step", step), ("--predicted", predicted)):
        require(size is None or 0 < size < np.inf, f"{flag} must be above 0, got {size}; try 0.02")
    return {name: _rule(name, step, predicted) for name in _names(text)}


def _names(text: str) -> list[str]:
    return [word.strip().replace("_", "-") for word in text.split(",") if word.strip()]


def start(text: str) -> tuple[float, float]:
    """Parse two probabilities that are separated by a comma.

    Raises:
        RequestError: The text is something else.

    >>> start("0.9,0.2")
    (0.9, 0.2)
    """
    try:
        p, q = (float(word) for word in text.split(","))
    except ValueError:
        raise RequestError(f"--start must be two probabilities, such as 0.9,0.2, got {text!r}") from None
    near = ",".join(f"{min(max(z, 0.0), 1.0):g}" if z == z else "0.5" for z in (p, q))
    require(0 <= p <= 1 and 0 <= q <= 1, f"--start must be two probabilities, got {text!r}; the nearest is {near}")
    return p, q


def _rule(name: str, step: float | None, predicted: float | None) -> gradient.Rule:
    if name not in gradient.RULES:
        raise unknown("rule", name, gradient.RULES)
    make = gradient.RULES[name]
    fields = {field.name for field in dataclasses.fields(make)}  # type: ignore[arg-type]
    if step is not None and "size" not in fields:
        other = "--predicted" if "predicted" in fields else "--rule iga"
        raise RequestError(f"the rule {name} has no option --step; the nearest is {other} {step:g}")
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
        raise RequestError(f"--agents must be whole numbers, such as 2,4,8, got {options.agents!r}") from None
    out = options.out
    require(out.suffix in _KINDS, f"{out} must end in .png, .svg or .pdf; the nearest is {out.with_suffix('.png')}")
    measurements = gradient_variance.measure(sorted(set(agents)), options.games, options.choices, options.seed)
    print(json.dumps(measurements) if options.json else "\n".join(report.lines(measurements)))
    picture = report.draw(measurements, out)
    if not options.json:
        print(f"wrote {picture}")


def _dynamics(name: str, options: DynamicsOptions) -> None:
    from hamlet.reports.pictures import dynamics

    game, begin = payoffs(name, options.seed), start(options.start)
    followed = rules(options.rule, options.step, options.predicted)
    require(bool(followed), f"--rule is empty; give one or more of {', '.join(gradient.RULES)}, separated by commas")
    require(1 <= options.steps <= 100_000, f"--steps must be from 1 to 100,000, got {options.steps}")
    out = options.out or Path(f"{Path(name).stem}.png")
    require(out.suffix in _KINDS, f"{out} must end in .png, .svg or .pdf; the nearest is {out.with_suffix('.png')}")
    title = name if name not in gradient_play.CLASSES else f"{name}, seed {options.seed}"
    walks = {rule: gradient_play.walk(update, game, begin, options.steps) for rule, update in followed.items()}
    for rule, walk in walks.items():
        print(f"{rule}: {walk.summary}")
    print(f"wrote {dynamics.draw(title, game, walks, out)}")
