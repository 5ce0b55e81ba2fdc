"""Options generated from signatures and docstrings: name, type, default and help of each are written in one place.

tyro parses the values and writes the help. The names of options, and the number of words after each, are checked before
tyro runs. Every mistake therefore gives one line with the nearest valid choice.
"""

import contextlib
import dataclasses
import inspect
import io
import keyword
import math
import re
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, NamedTuple

import tyro

from hamlet.errors import RequestError
from hamlet.haml.rates import AnyRates
from hamlet.hyperparameters.docstrings import descriptions
from hamlet.nearest import suggestion
from hamlet.options import layout, values

HELP = ("-h", "--help")
# The maximum number of options that an error lists if no option is near.
_FEW = 12
RENAMED = {
    "--copies": "--num-envs",
    "--steps-per-rollout": "--rollout-length",
    "--memory": "--rnn-size",
    "--chunk": "--sequence-length",
    "--still": "--no-animation",
    "--longest": "--max-episode-steps",
    "--random": "--random-agents",
}
"""Former names of options, and their current names. The former names are accepted for one release."""


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        group: The title under which the help shows it.
        name: Name of the parameter that it sets.
        flag: The flag as typed, such as ``--env.local-ratio``.
        annotation: The type of its value.
        default: The default; `inspect.Parameter.empty` for a required option.
        help: The help text.
        pair: For a switch, whether ``--no-…`` exists.
    """

    group: str
    name: str
    flag: str
    annotation: Any
    default: Any
    help: str
    pair: bool

    @property
    def opposite(self) -> str:
        """Return the flag that turns a switch off."""
        prefix, dot, last = self.flag.removeprefix("--").rpartition(".")
        return f"--{prefix}{dot}no-{last}"

    @property
    def flags(self) -> tuple[str, ...]:
        """Return the flags of the option, with dashes (underscores are accepted too)."""
        switch = values.arity(self.annotation) == 0
        return (self.flag, self.opposite) if switch and self.pair else (self.flag,)

    def field(self) -> tuple[str, Any, Any]:
        """Return the option as a dataclass field for tyro."""
        hint = "" if self.default is None or (self.default is False and not self.pair) else None
        argument: Any = tyro.conf.arg(name=self.name.rstrip("_"), help=self.help, help_behavior_hint=hint)
        annotation: Any = Annotated[self.annotation, argument]
        if values.arity(self.annotation) == 0 and not self.pair:
            annotation = Annotated[annotation, tyro.conf.FlagCreatePairsOff]
        default = field(kw_only=True) if values.required(self.default) else field(default=self.default, kw_only=True)
        return self.name, annotation, default


@dataclass(frozen=True)
class OptionGroup:
    """The parameters of a function or a dataclass, as options.

    Attributes:
        title: The title in the help, and the prefix of the flags if ``prefixed``.
        target: The function or dataclass. Parameters that cannot be written on the command line keep their defaults.
        defaults: Values that replace the target's defaults.
        prefixed: Whether flags start with ``--TITLE.``.
        pairs: Whether a switch has an opposite ``--no-…``.
        free: Names of further options, if the target takes any keyword.
        notes: Additional help of some parameters, such as the reason for a surprising default.
    """

    title: str
    target: Callable[..., Any]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    prefixed: bool = False
    pairs: bool = True
    free: tuple[str, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def takes_any(self) -> bool:
        """Check whether the target takes keywords that it does not name."""
        parameters = inspect.signature(self.target).parameters.values()
        return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)

    @property
    def more(self) -> str:
        """Return a line of help about options that cannot be listed."""
        any_other = f"It may take any other option: --{self.title}.NAME VALUE."
        return any_other if self.takes_any else ""

    def taking(self, argv: Sequence[str]) -> "OptionGroup":
        """Return the group with all further options typed under its prefix, if the target takes any keyword."""
        if not self.takes_any:
            return self
        known = {flag for option in self.options for flag in option.flags}
        typed = dict.fromkeys(token.partition("=")[0].replace("_", "-") for token in argv)
        flags = [flag for flag in typed if flag not in known]
        prefix = f"--{self.title}."
        names = [flag.removeprefix(prefix).replace("-", "_") for flag in flags if flag.startswith(prefix)]
        return dataclasses.replace(
            self, free=tuple(name for name in names if name.isidentifier() and not keyword.iskeyword(name))
        )

    @cached_property
    def options(self) -> list[Option]:
        """Return one option for each parameter."""
        hints = typing.get_type_hints(self.target, include_extras=True)
        texts = descriptions(self.target)
        options = []
        for name, parameter in inspect.signature(self.target).parameters.items():
            default = self.defaults.get(name, parameter.default)
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            if hints.get(name) != AnyRates and not values.supported(hints.get(name)):
                if values.required(default):
                    raise RequestError(
                        f"{self.title} has the required parameter {name!r}, which can be set from Python only: "
                        "write a factory that sets it"
                    )
                continue
            flag = "--" + (f"{self.title}." if self.prefixed else "") + name.rstrip("_").replace("_", "-")
            hint = {int: values.Whole, AnyRates: values.LearningRate}.get(hints[name], hints[name])
            text = " ".join(part for part in (texts.get(name, ""), self.notes.get(name, "")) if part)
            options.append(Option(self.title, name, flag, hint, default, text, self.pairs))
        for name in self.free:
            flag = f"--{self.title}.{name.replace('_', '-')}"
            options.append(Option(self.title, name, flag, values.Plain, inspect.Parameter.empty, "", self.pairs))
        return options


class Given(NamedTuple):
    """An option as it was typed."""

    option: Option | None
    flag: str
    words: list[str]


class Word(NamedTuple):
    """A word that does not belong to an option, and the option before it."""

    text: str
    after: Given | None


class Parsed(NamedTuple):
    """The result of parsing: values by title and name, and the names of the options that were given."""

    values: dict[str, dict[str, Any]]
    given: set[str]


@dataclass(frozen=True)
class Command:
    """The words and options of one command.

    Attributes:
        usage: The command as typed, such as ``hamlet evaluate``.
        words: The names of its positional words, such as ``("RUN",)``.
        groups: Its options.
        description: The description in the help.
    """

    usage: str
    words: tuple[str, ...]
    groups: tuple[OptionGroup, ...]
    description: str

    @property
    def prog(self) -> str:
        """Return the command as typed, with the names of its words."""
        return " ".join((self.usage, *self.words))

    @cached_property
    def flags(self) -> dict[str, Option]:
        """Return the options by flag.

        Raises:
            RequestError: If two options have the same flag, for example a third party's hyperparameter named ``seed``.
        """
        flags: dict[str, Option] = {}
        for option in (option for group in self.groups for option in group.options):
            for flag in option.flags:
                if flag in flags:
                    raise RequestError(
                        f"{flag} is a {option.group} option and a {flags[flag].group} option: rename one of them"
                    )
                flags[flag] = option
        return flags

    def split(self, argv: Sequence[str]) -> tuple[list[Word], list[Given]]:
        """Split arguments into words and options with values; an unknown option takes all words that follow it."""
        words: list[Word] = []
        given: list[Given] = []
        rest = list(argv)
        while rest:
            token = rest.pop(0)
            if not _is_flag(token):
                words.append(Word(token, given[-1] if given else None))
                continue
            flag, equals, value = token.partition("=")
            if flag.replace("_", "-") not in self.flags:
                flag = RENAMED.get(flag.replace("_", "-"), flag)
            option = self.flags.get(flag.replace("_", "-"))
            option_words = [value] if equals else []
            most = None if option is None else values.arity(option.annotation)
            while not equals and rest and not _is_flag(rest[0]) and (most is None or len(option_words) < most):
                option_words.append(rest.pop(0))
            given.append(Given(option, flag, option_words))
        return words, given

    def parse(self, argv: Sequence[str]) -> tuple[list[str], Parsed]:
        """Parse arguments into the words and the values of all options.

        Raises:
            RequestError: If an option is unknown or missing, a word is unexpected, or a value has the wrong type.
            SystemExit: With status 0, after the help was printed.
        """
        if any(word in HELP for word in argv):
            self.show_help()
        words, given = self.split(argv)
        for arg in given:
            if arg.option is None:
                raise self.unknown(arg.flag)
        if len(words) > len(self.words):
            raise self._left_over(words[len(self.words)])
        if len(words) < len(self.words):
            missing = self.words[len(words)]
            raise RequestError(f"{missing} is missing: {self.prog} (see {self.usage} --help)")
        latest = {arg.option.flag: arg for arg in given if arg.option is not None}
        for option in self.flags.values():
            if values.required(option.default) and option.flag not in latest:
                raise RequestError(f"{option.flag} is missing: it takes {values.spoken(option.annotation, None)}")
        return [word.text for word in words], Parsed(self._values(latest), {arg.flag for arg in self._options(latest)})

    def unknown(self, flag: str) -> RequestError:
        """Return the error for an option that does not exist; if no option is near and there are few, it lists all."""
        near = suggestion(flag, self.flags, "{}")
        few = not near and len(self.flags) <= _FEW
        rest = f"of {', '.join(self.flags)}; see" if few else "see"
        return RequestError(f"there is no option {flag}{near} ({rest} {self.prog} --help)")

    def show_help(self) -> typing.NoReturn:
        """Print the help.

        Raises:
            SystemExit: With status 0.
        """
        # tyro does not require the required options while it shows the help.
        structure = _structure(self.groups)
        text = io.StringIO()
        with contextlib.suppress(SystemExit), contextlib.redirect_stdout(text):
            tyro.cli(structure, args=["--help"], prog=self.prog, description="", config=_CONFIG)
        # Replace parts of tyro's help: its usage line lists all options of a small command, it joins the lines of a
        # description, and its first box contains only -h.
        lines = [line.rstrip() for line in text.getvalue().splitlines()]
        first = next((i + 1 for i, line in enumerate(lines) if "show this help message" in line), 0)
        usage = f"usage: {self.prog}" + (" [OPTIONS]" if self.groups else "")
        print("\n".join([usage, "", layout.paragraphs(self.description), *lines[first:]]).rstrip())
        raise SystemExit(0)

    def _options(self, latest: Mapping[str, Given]) -> list[Option]:
        return [arg.option for arg in latest.values() if arg.option is not None]

    def _values(self, latest: Mapping[str, Given]) -> dict[str, dict[str, Any]]:
        words = [word for arg in latest.values() for word in (arg.flag.replace("_", "-"), *arg.words)]
        structure = _structure(self.groups)
        parsed = _tyro(structure, words) if _fits(latest.values()) else None
        if parsed is None:
            raise self._refusal(latest.values())
        group_values = {
            group.title: {option.name: getattr(getattr(parsed, group.title), option.name) for option in group.options}
            for group in self.groups
        }
        for option in self._options(latest):
            value = group_values[option.group][option.name]
            if isinstance(value, float) and math.isnan(value):
                raise RequestError(f"{option.flag} takes a number, not 'nan'")
        return group_values

    def _refusal(self, given: Iterable[Given]) -> RequestError:
        """Return the error for the first option whose value tyro refuses."""
        for arg in given:
            assert arg.option is not None
            single = dataclasses.make_dataclass("Single", [dataclasses.replace(arg.option, name="value").field()])
            if not _fits([arg]) or _tyro(single, ["--value", *arg.words] if arg.words else []) is None:
                return _bad_value(arg)
        return RequestError(f"these options cannot be combined (see {self.usage} --help)")

    def _left_over(self, word: Word) -> RequestError:
        if word.after is None or word.after.option is None:
            return RequestError(f"unexpected word {word.text!r}: only options follow {self.prog}")
        option = word.after.option
        if values.arity(option.annotation) == 0:
            return _bad_value(Given(option, word.after.flag, [word.text]))
        return _bad_value(Given(option, word.after.flag, [*word.after.words, word.text]))


_CONFIG = (tyro.conf.DisallowNone,)


def _structure(groups: Sequence[OptionGroup]) -> type:
    """Return a dataclass with one nested dataclass for each group."""
    fields = []
    for group in groups:
        inner: Any = dataclasses.make_dataclass(group.title.title(), [option.field() for option in group.options])
        annotation: Any = inner if group.prefixed else Annotated[inner, tyro.conf.OmitArgPrefixes]
        fields.append((group.title, annotation))
    return dataclasses.make_dataclass("Options", fields)


def _tyro(structure: type, words: Sequence[str]) -> Any:
    """Return the parsed structure, or None if tyro refuses the words."""
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            return tyro.cli(structure, args=list(words), config=_CONFIG)
    except SystemExit:
        return None


def _fits(given: Iterable[Given]) -> bool:
    """Check that every option has the number of words that it takes."""
    counts = [(len(arg.words), values.arity(arg.option.annotation)) for arg in given if arg.option is not None]
    return all(most is None or count == most for count, most in counts)


def _bad_value(one: Given) -> RequestError:
    option, text = one.option, " ".join(one.words)
    assert option is not None
    if values.arity(option.annotation) == 0:
        turn_off = f"; to turn it off write {option.opposite}" if option.pair else ""
        return RequestError(f"{one.flag} takes no value, but {text!r} follows it{turn_off}")
    takes = f"{one.flag} takes {values.spoken(option.annotation, option.default)}"
    if not one.words:
        return RequestError(f"{takes}, but no value was given")
    near = values.nearest(option.annotation, text)
    return RequestError(f"{takes}, not {text!r}" + (f"; the nearest is {near}" if near else ""))


def _is_flag(token: str) -> bool:
    return len(token) > 1 and token.startswith("-") and not re.match(r"-[0-9.]", token)
