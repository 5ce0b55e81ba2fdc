"""The search ranges of hyperparameters: a default range for each name, or a range from the command line.

A range has the form ``low:high``, ``low:high:log``, or a list of values ``a,b,c``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hamlet.errors import RequestError, unknown
from hamlet.options import values
from hamlet.options.parsing import Option, OptionGroup

# Sampled numbers are rounded to this number of significant digits. More digits do not change a trial's score visibly.
_DIGITS = 4
# The default range of each hyperparameter, by name, for every algorithm that has it.
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
    """The search range of one hyperparameter.

    Attributes:
        option: The command-line option of the hyperparameter.
        kind: "float" and "int" for numbers in [low, high], "choice" for a list of values.
        low: The least number.
        high: The greatest number.
        log: Whether numbers are sampled on a logarithmic scale.
        choices: The values of kind "choice", as text.
    """

    option: Option
    kind: Literal["float", "int", "choice"]
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the option without the leading dashes."""
        return self.option.flag.removeprefix("--")

    def words(self, value: Any) -> list[str]:
        """Return a value as command-line arguments; numbers have four significant digits, also in training."""
        if values.arity(self.option.annotation) == 0:
            return [self.option.flag if value == "true" else self.option.opposite]
        if self.kind == "choice":
            return [self.option.flag, *str(value).split()]
        return [self.option.flag, repr(value) if self.kind == "int" else f"{value:.{_DIGITS}g}"]


def read(factory: Callable[..., Any], asked: Sequence[str], fixed: Sequence[str]) -> list[Range]:
    """Return the requested ranges; without a request, the default ranges of all hyperparameters of the algorithm.

    Args:
        factory: The function that creates the algorithm.
        asked: The requested ranges, each as ``name=range``.
        fixed: Flags of hyperparameters that have a fixed value.

    Raises:
        RequestError: If a hyperparameter does not exist, or a range is not valid.
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
            raise RequestError(f"--search takes NAME=LOW:HIGH, NAME=LOW:HIGH:log or NAME=A,B,C, got {word!r}")
        if name not in options:
            raise unknown("hyperparameter", name, options)
        if options[name].flag in fixed:
            raise RequestError(f"--{name} has both a fixed value and a range in --search: remove one of them")
        if name in [search_range.name for search_range in ranges]:
            raise RequestError(f"--search contains {name} twice: remove one of them")
        ranges.append(_range(options[name], text))
    return ranges


def _range(option: Option, text: str) -> Range:
    name, kind = option.flag.removeprefix("--"), values.bare(option.annotation)
    if ":" not in text:
        choices = tuple(choice.strip() for choice in text.split(",") if choice.strip())
        if len(choices) < 2:
            raise RequestError(f"--search {name}={text} is not a range: give LOW:HIGH, or values such as A,B,C")
        return Range(option, "choice", choices=choices)
    if kind not in (int, float):
        raise RequestError(f"{name} is not a number: give a list of values, such as --search {name}=A,B,C")
    low, high, *rest = text.split(":")
    try:
        ends = float(low), float(high)
    except ValueError:
        raise RequestError(f"--search {name}={text}: LOW:HIGH must be two numbers, got {low}:{high}") from None
    log = rest == ["log"]
    if rest not in ([], ["log"]):
        raise RequestError(f"--search {name}={text}: only :log may follow LOW:HIGH")
    if not ends[0] < ends[1] or (log and ends[0] <= 0):
        why = "LOW must be above 0 with :log" if log and ends[0] <= 0 else "LOW must be less than HIGH"
        raise RequestError(f"--search {name}={text}: {why}")
    if kind is int and any(end != int(end) for end in ends):
        raise RequestError(
            f"--search {name}={text}: {name} is a whole number; the nearest range is {round(ends[0])}:{round(ends[1])}"
        )
    return Range(option, "int" if kind is int else "float", *ends, log)
