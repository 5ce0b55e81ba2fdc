"""What a run was asked to be, from its config.json: checked, and its parts made, those of the user's own if trusted."""

import contextlib
import dataclasses
import difflib
import typing
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hamlet import field_types
from hamlet.envs.host import AnyEnvironment
from hamlet.errors import RequestError
from hamlet.files import atomic_write, json_file
from hamlet.learners import Algorithm
from hamlet.runs import configuration, trust
from hamlet.runs.directory import CONFIGURATION, Config, RunDirectory, versioned
from hamlet.runs.evaluation_schedule import EvaluationSchedule
from hamlet.runs.parts import shown

# Of every config.json, beside the two configurations; others, such as versions and hardware, are never computed with.
_FIELDS: dict[str, Any] = {
    "steps": int,
    "seed": int,
    "checkpoint_every": int | None,
    "init_from": str | None,
    "algorithm_name": str | None,
    "environment_name": str | None,
    "preset": str | None,
    "evaluation": dict,
}
# Without which a run cannot be repeated or gone on with.
_REPEATED = ("steps", "seed", "checkpoint_every", "init_from")
_POSITIVE = ("steps", "checkpoint_every", "every", "interval", "max_episode_steps")
# By which an algorithm and an environment are told from their parts.
_OF_ALGORITHMS, _OF_ENVIRONMENTS = ("sampling", "critic", "body"), ("groups", "state_shape")


class Declaration(NamedTuple):
    """What a run trains with, and on."""

    algorithm: Algorithm
    environment: AnyEnvironment


def read(config: Config, what: str, *, trusted: bool) -> Declaration:
    """The declaration of a run.

    Args:
        config: Its config.json.
        what: The run or the file, for refusals.
        trusted: Whether the user says in this call that code of its own may be run.

    Raises:
        RequestError: Something in it is missing or wrong, or is code of its own and not trusted.
    """
    values = config.values
    try:
        check(values)
        declared = [values[name] for name in configuration.DECLARED]
        trust.permit(config.data, _foreign(values), what, trusted=trusted)
        algorithm, env = (configuration.decode(data, trusted=True) for data in declared)
        _refuse_other(algorithm, _OF_ALGORITHMS, "algorithm")
        _refuse_other(env, _OF_ENVIRONMENTS, "environment")
    except RequestError as error:
        text = str(error)
        raise RequestError(text if text.startswith(what) else f"{what}: {text}") from error
    return Declaration(algorithm, env)


def begin(path: Path, config: dict[str, Any], say: Callable[[str], None]) -> RunDirectory:
    """Begin a run, and keep that it is this user's own before anything stands there.

    Raises:
        RequestError: There is a run already, or something else.
        RunError: It cannot be written.
    """
    _record(json_file.as_text(versioned(config)).encode(), config, say)
    return RunDirectory.create(path, config)


def rewrite(run: RunDirectory, config: dict[str, Any], say: Callable[[str], None]) -> None:
    """Replace the config.json of a run that this user goes on with.

    Raises:
        RunError: It cannot be written.
    """
    _record(json_file.as_text(config).encode(), config, say)
    run.write_json(CONFIGURATION, config)


@contextlib.contextmanager
def of_steps(run: RunDirectory, steps: int, say: Callable[[str], None]) -> Iterator[None]:
    """A run that this user goes on with is one of so many steps from here on; not if what follows is refused.

    Raises:
        RunError: Its config.json cannot be read or written.
    """
    before = run.as_written()
    if before.values["steps"] == steps:
        yield
        return
    rewrite(run, run.config() | {"steps": steps}, say)
    try:
        yield
    except RequestError:
        atomic_write.write(run.path / CONFIGURATION, before.data)
        raise


def adopt(run: RunDirectory, say: Callable[[str], None]) -> None:
    """Keep that a run which this user trusts and goes on with is his own from now on.

    Raises:
        RunError: Its config.json cannot be read.
    """
    config = run.as_written()
    _record(config.data, config.values, say)


def _record(data: bytes, config: dict[str, Any], say: Callable[[str], None]) -> None:
    if doubt := trust.record(data, _foreign(config)):
        say(doubt)


def _foreign(config: dict[str, Any]) -> tuple[str, ...]:
    return configuration.foreign([config[name] for name in configuration.DECLARED])


def check(values: dict[str, Any]) -> None:
    """Refuse a config.json with which no run could go on.

    Raises:
        RequestError: It lacks something, or something is of another type.
    """
    _need(values, configuration.DECLARED)
    _check_fields(values, _FIELDS, "config.json")
    if "evaluation" in values:
        hints = typing.get_type_hints(EvaluationSchedule)
        needed = {
            field.name for field in dataclasses.fields(EvaluationSchedule) if field.default is dataclasses.MISSING
        }
        for name in sorted((needed - values["evaluation"].keys()) | (values["evaluation"].keys() - hints.keys())):
            state = "lacks" if name in hints else "has an unknown entry"
            raise RequestError(f"the evaluation of config.json {state} {shown(name)} (of {', '.join(hints)})")
        _check_fields(values["evaluation"], hints, "the evaluation of config.json")


def check_repeatable(values: dict[str, Any], what: str) -> None:
    """Refuse a config.json that lacks what a run is begun or gone on with.

    Raises:
        RequestError: It does.
    """
    try:
        _need(values, _REPEATED)
    except RequestError as error:
        raise RequestError(f"{what}: {error}") from error


def _need(values: dict[str, Any], names: Sequence[str]) -> None:
    for name in names:
        if name not in values:
            near = difflib.get_close_matches(name, [other for other in values if other not in _FIELDS], n=1)
            raise RequestError(f"{CONFIGURATION} lacks {name!r}" + (f"; it has {shown(near[0])}" if near else ""))


def _check_fields(values: dict[str, Any], hints: dict[str, Any], what: str) -> None:
    for name in hints.keys() & values.keys():
        value = values[name]
        wrong = not field_types.fits(value, hints[name])
        if (
            wrong
            or (name in _POSITIVE and value is not None and value < 1)
            or (name == "episodes" and (value or 0) < 0)
        ):
            positive = ", at least 1" if name in _POSITIVE else ""
            raise RequestError(f"{name} in {what} is {field_types.spoken(hints[name])}{positive}, not {shown(value)}")


def _refuse_other(thing: Any, attributes: tuple[str, ...], kind: str) -> None:
    """By the class: an environment would be asked for what it is, for which some must begin to play."""
    fields = {field.name for field in dataclasses.fields(thing)} if dataclasses.is_dataclass(thing) else set[str]()
    if not set(attributes) <= fields | set(dir(type(thing))):
        raise RequestError(f"the {kind} of config.json is a {type(thing).__name__}, which is no {kind}")
