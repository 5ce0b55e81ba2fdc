"""Options generated from signatures and docstrings, so that each is written once: name, type, default, help.

tyro parses the values and writes the help. The names of options, and how many words follow each, are checked before it,
so that every mistake is answered by one line with the nearest valid choice.
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
# Options that a refusal names where none of them is near.
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
"""Options that were called otherwise: the names from before are read for one release."""


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        group: The title under which help shows it.
        name: Of the parameter that it sets.
        flag: As typed: ``--env.local-ratio``.
        annotation: The type of its value.
        default: Where it is not given; `inspect.Parameter.empty` where it must be.
        help: What it means.
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
        """The flag that turns a switch off."""
        prefix, dot, last = self.flag.removeprefix("--").rpartition(".")
        return f"--{prefix}{dot}no-{last}"

    @property
    def flags(self) -> tuple[str, ...]:
        """Every spelling but underscores."""
        switch = values.arity(self.annotation) == 0
        return (self.flag, self.opposite) if switch and self.pair else (self.flag,)

    def field(self) -> tuple[str, Any, Any]:
        """As a field of a dataclass for tyro."""
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
        title: Under which help shows them; their prefix where they have one.
        target: Whose parameters they are; those that cannot be written as words stay at their defaults.
        defaults: Values in place of the target's own.
        prefixed: Whether flags begin with ``--TITLE.``.
        pairs: Whether a switch has an opposite.
        free: Further names, where the target takes any keyword.
        notes: What help says of some parameters besides, as of a default that surprises.
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
        """Whether the target takes keywords that it does not name."""
        parameters = inspect.signature(self.target).parameters.values()
        return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)

    @property
    def more(self) -> str:
        """A line of help on options that cannot be listed."""
        any_other = f"It may take any other option: --{self.title}.NAME VALUE."
        return any_other if self.takes_any else ""

    def taking(self, argv: Sequence[str]) -> "OptionGroup":
        """With whatever else is asked for under its prefix, where the target takes any keyword."""
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
        """One for each parameter."""
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
                        f"{self.title} has the parameter {name!r}, which can be given from Python only: "
                        "name a factory of yours that gives it"
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
    """A word that belongs to no option, and what came before it."""

    text: str
    after: Given | None


class Parsed(NamedTuple):
    """What was asked for: values by title and name, and the names of the options that were given."""

    values: dict[str, dict[str, Any]]
    given: set[str]


@dataclass(frozen=True)
class Command:
    """The words and options of one command.

    Attributes:
        usage: ``hamlet evaluate``.
        words: The names of the words it takes: ``("RUN",)``.
        groups: Its options.
        description: For help.
    """

    usage: str
    words: tuple[str, ...]
    groups: tuple[OptionGroup, ...]
    description: str

    @property
    def prog(self) -> str:
        """As typed, with the names of its words."""
        return " ".join((self.usage, *self.words))

    @cached_property
    def flags(self) -> dict[str, Option]:
        """Every flag.

        Raises:
            RequestError: If two options have the same one, as where a third party's hyperparameter is named ``seed``.
        """
        flags: dict[str, Option] = {}
        for option in (option for group in self.groups for option in group.options):
            for flag in option.flags:
                if flag in flags:
                    raise RequestError(f"{flag} is a {option.group} option and a {flags[flag].group} option: rename it")
                flags[flag] = option
        return flags

    def split(self, argv: Sequence[str]) -> tuple[list[Word], list[Given]]:
        """The words, and the options with their values; an unknown option has all that follows it."""
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
        """The words and the values of all options.

        Raises:
            RequestError: If something is unknown, missing, left over, or of the wrong kind.
            SystemExit: With status 0, after help was printed.
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
        """The refusal of an option that does not exist; where none is near, with all, if they are few."""
        near = suggestion(flag, self.flags, "{}")
        few = not near and len(self.flags) <= _FEW
        rest = f"of {', '.join(self.flags)}; see" if few else "see"
        return RequestError(f"there is no option {flag}{near} ({rest} {self.prog} --help)")

    def show_help(self) -> typing.NoReturn:
        """Print what there is.

        Raises:
            SystemExit: With status 0.
        """
        # A required option must not be asked for while help is shown, which tyro sees to.
        structure = _structure(self.groups)
        text = io.StringIO()
        with contextlib.suppress(SystemExit), contextlib.redirect_stdout(text):
            tyro.cli(structure, args=["--help"], prog=self.prog, description="", config=_CONFIG)
        # tyro names every option of a small command in one usage line, joins the lines of a description, and begins
        # with a box for -h alone.
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
        """What is wrong with the first option whose value tyro refuses."""
        for arg in given:
            assert arg.option is not None
            single = dataclasses.make_dataclass("Single", [dataclasses.replace(arg.option, name="value").field()])
            if not _fits([arg]) or _tyro(single, ["--value", *arg.words] if arg.words else []) is None:
                return _bad_value(arg)
        return RequestError(f"the options cannot be read together (see {self.usage} --help)")

    def _left_over(self, word: Word) -> RequestError:
        if word.after is None or word.after.option is None:
            return RequestError(f"{word.text!r} is left over: only options follow {self.prog}")
        option = word.after.option
        if values.arity(option.annotation) == 0:
            return _bad_value(Given(option, word.after.flag, [word.text]))
        return _bad_value(Given(option, word.after.flag, [*word.after.words, word.text]))


_CONFIG = (tyro.conf.DisallowNone,)


def _structure(groups: Sequence[OptionGroup]) -> type:
    """A dataclass of dataclasses, one for each group."""
    fields = []
    for group in groups:
        inner: Any = dataclasses.make_dataclass(group.title.title(), [option.field() for option in group.options])
        annotation: Any = inner if group.prefixed else Annotated[inner, tyro.conf.OmitArgPrefixes]
        fields.append((group.title, annotation))
    return dataclasses.make_dataclass("Options", fields)


def _tyro(structure: type, words: Sequence[str]) -> Any:
    """The parsed structure, or None where tyro refuses."""
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            return tyro.cli(structure, args=list(words), config=_CONFIG)
    except SystemExit:
        return None


def _fits(given: Iterable[Given]) -> bool:
    """Whether every option has as many words as it takes."""
    counts = [(len(arg.words), values.arity(arg.option.annotation)) for arg in given if arg.option is not None]
    return all(most is None or count == most for count, most in counts)


def _bad_value(one: Given) -> RequestError:
    option, text = one.option, " ".join(one.words)
    assert option is not None
    if values.arity(option.annotation) == 0:
        turn_off = f"; to turn it off write {option.opposite}" if option.pair else ""
        return RequestError(f"{one.flag} takes no value, so {text!r} is left over{turn_off}")
    takes = f"{one.flag} takes {values.spoken(option.annotation, option.default)}"
    if not one.words:
        return RequestError(f"{takes}, and nothing was given")
    near = values.nearest(option.annotation, text)
    return RequestError(f"{takes}, not {text!r}" + (f"; the nearest is {near}" if near else ""))


def _is_flag(token: str) -> bool:
    return len(token) > 1 and token.startswith("-") and not re.match(r"-[0-9.]", token)
