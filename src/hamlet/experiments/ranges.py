"""Where hyperparameters are searched: the usual range of each by name, or one that is asked for.

A range is written ``low:high``, ``low:high:log``, or as choices ``a,b,c``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hamlet.errors import RequestError, unknown
from hamlet.options import values
from hamlet.options.parsing import Option, OptionGroup

# Of a number that was drawn: more make no difference that a trial could show.
_DIGITS = 4
# By the name of the parameter, whichever algorithm has it.
USUAL: Mapping[str, str] = {
    "learning_rate": "1e-4:3e-3:log",
    "critic_learning_rate": "1e-4:3e-3:log",
    "clip": "0.05:0.3",
    "radius": "1e-3:3e-2:log",
    "epochs": "2:15",
    "gae_lambda": "0.9:0.99",
    "discount": "0.9,0.95,0.97,0.99",
    "exploration": "0.02:0.2:log",
    "exploration_noise": "0.05:0.3:log",
    "target_entropy": "0.1:1.0",
    "n_step": "1,3,5,10,20",
    "polyak": "0.001:0.02:log",
}


@dataclass(frozen=True)
class Range:
    """Where one hyperparameter is searched.

    Attributes:
        option: Of the command line.
        kind: Whether values are numbers, whole numbers, or words to choose from.
        low: The least number.
        high: The greatest.
        log: Whether ratios count, not differences.
        choices: The words.
    """

    option: Option
    kind: Literal["float", "int", "choice"]
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As typed, without dashes before it."""
        return self.option.flag.removeprefix("--")

    def words(self, value: Any) -> list[str]:
        """A value as words of the command line; a number with four digits, which is what is trained with."""
        if values.arity(self.option.annotation) == 0:
            return [self.option.flag if value == "true" else self.option.opposite]
        if self.kind == "choice":
            return [self.option.flag, *str(value).split()]
        return [self.option.flag, repr(value) if self.kind == "int" else f"{value:.{_DIGITS}g}"]


def read(factory: Callable[..., Any], asked: Sequence[str], fixed: Sequence[str]) -> list[Range]:
    """The ranges that are asked for, or else the usual ones of all hyperparameters that an algorithm has.

    Args:
        factory: Of the algorithm.
        asked: ``name=range`` each.
        fixed: Flags of hyperparameters that have a value already.

    Raises:
        RequestError: If a hyperparameter or a range is not to be had.
    """
    options = {option.flag.removeprefix("--"): option for option in OptionGroup("hyperparameter", factory).options}
    if not asked:
        usual = {name.replace("_", "-"): text for name, text in USUAL.items()}
        usual_ranges = [_range(options[name], text) for name, text in usual.items() if name in options]
        return [search_range for search_range in usual_ranges if search_range.option.flag not in fixed]
    ranges = []
    for word in asked:
        name, equals, text = word.partition("=")
        name = name.removeprefix("--").replace("_", "-")
        if not equals:
            raise RequestError(f"--search takes NAME=LOW:HIGH, NAME=LOW:HIGH:log or NAME=A,B,C, not {word!r}")
        if name not in options:
            raise unknown("hyperparameter", name, options)
        if options[name].flag in fixed:
            raise RequestError(f"--{name} has one value and a range to search: leave one of them out")
        if name in [search_range.name for search_range in ranges]:
            raise RequestError(f"--search has {name} twice: leave one out")
        ranges.append(_range(options[name], text))
    return ranges


def _range(option: Option, text: str) -> Range:
    name, kind = option.flag.removeprefix("--"), values.bare(option.annotation)
    if ":" not in text:
        choices = tuple(choice.strip() for choice in text.split(",") if choice.strip())
        if len(choices) < 2:
            raise RequestError(f"--search {name}={text} is no range: give LOW:HIGH, or choices such as A,B,C")
        return Range(option, "choice", choices=choices)
    if kind not in (int, float):
        raise RequestError(f"{name} is no number: give choices, such as --search {name}=A,B,C")
    low, high, *rest = text.split(":")
    try:
        ends = float(low), float(high)
    except ValueError:
        raise RequestError(f"--search {name}={text}: {low}:{high} are no two numbers") from None
    log = rest == ["log"]
    if rest not in ([], ["log"]):
        raise RequestError(f"--search {name}={text}: after LOW:HIGH there can be :log only")
    if not ends[0] < ends[1] or (log and ends[0] <= 0):
        why = "a range by ratios begins above 0" if log and ends[0] <= 0 else "the lower end comes first"
        raise RequestError(f"--search {name}={text}: {why}")
    if kind is int and any(end != int(end) for end in ends):
        raise RequestError(
            f"--search {name}={text}: {name} is a whole number; the nearest are {round(ends[0])}:{round(ends[1])}"
        )
    return Range(option, "int" if kind is int else "float", *ends, log)
