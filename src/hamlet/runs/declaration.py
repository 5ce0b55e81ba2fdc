"""A run's declaration: its algorithm and environment, read from config.json, checked and constructed.

User code that config.json names is imported only if it is trusted.
"""

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

# Types of the entries of config.json, besides the two configurations. Further entries, such as versions and hardware,
# are information only.
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
# Entries without which a run cannot be repeated or resumed.
_REPEATED = ("steps", "seed", "checkpoint_every", "init_from")
_POSITIVE = ("steps", "checkpoint_every", "every", "interval", "max_episode_steps")
# Attributes that distinguish an algorithm and an environment from their parts.
_OF_ALGORITHMS, _OF_ENVIRONMENTS = ("sampling", "critic", "body"), ("groups", "state_shape")


class Declaration(NamedTuple):
    """A run's algorithm and environment."""

    algorithm: Algorithm
    environment: AnyEnvironment


def read(config: Config, what: str, *, trusted: bool) -> Declaration:
    """Read the declaration of a run.

    Args:
        config: The run's config.json.
        what: Name of the run or the file, for error messages.
        trusted: Whether the user allows in this call that user code is executed.

    Raises:
        RequestError: An entry is missing or wrong, or names user code that is not trusted.
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
    """Create a run's directory; first record that this user wrote its config.json.

    Raises:
        RequestError: The directory already contains a run or other files.
        RunError: The directory cannot be written.
    """
    _record(json_file.as_text(versioned(config)).encode(), config, say)
    return RunDirectory.create(path, config)


def rewrite(run: RunDirectory, config: dict[str, Any], say: Callable[[str], None]) -> None:
    """Replace the config.json of a run that this user continues.

    Raises:
        RunError: The file cannot be written.
    """
    _record(json_file.as_text(config).encode(), config, say)
    run.write_json(CONFIGURATION, config)


@contextlib.contextmanager
def of_steps(run: RunDirectory, steps: int, say: Callable[[str], None]) -> Iterator[None]:
    """Set a run's number of steps in config.json; restore the old number if the block raises a `RequestError`.

    Raises:
        RunError: The config.json cannot be read or written.
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
    """Record a run that this user trusts and continues as the user's own run.

    Raises:
        RunError: The config.json cannot be read.
    """
    config = run.as_written()
    _record(config.data, config.values, say)


def _record(data: bytes, config: dict[str, Any], say: Callable[[str], None]) -> None:
    if doubt := trust.record(data, _foreign(config)):
        say(doubt)


def _foreign(config: dict[str, Any]) -> tuple[str, ...]:
    return configuration.foreign([config[name] for name in configuration.DECLARED])


def check(values: dict[str, Any]) -> None:
    """Check the entries of a config.json.

    Raises:
        RequestError: An entry is missing or has the wrong type.
    """
    _need(values, configuration.DECLARED)
    _check_fields(values, _FIELDS, "config.json")
    if "evaluation" in values:
        hints = typing.get_type_hints(EvaluationSchedule)
        needed = {
            field.name for field in dataclasses.fields(EvaluationSchedule) if field.default is dataclasses.MISSING
        }
        for name in sorted((needed - values["evaluation"].keys()) | (values["evaluation"].keys() - hints.keys())):
            state = "lacks the entry" if name in hints else "has an unknown entry"
            raise RequestError(
                f"'evaluation' in config.json {state} {shown(name)} (its entries are {', '.join(hints)})"
            )
        _check_fields(values["evaluation"], hints, "'evaluation' of config.json")


def check_repeatable(values: dict[str, Any], what: str) -> None:
    """Check that a config.json has all entries that are needed to repeat or resume a run.

    Raises:
        RequestError: An entry is missing.
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
            raise RequestError(
                f"{name} in {what} must be {field_types.spoken(hints[name])}{positive}, got {shown(value)}"
            )


def _refuse_other(thing: Any, attributes: tuple[str, ...], kind: str) -> None:
    """Check that an object is an algorithm or an environment.

    The check looks at the class, because some environments must start to compute an attribute of an instance.
    """
    fields = {field.name for field in dataclasses.fields(thing)} if dataclasses.is_dataclass(thing) else set[str]()
    if not set(attributes) <= fields | set(dir(type(thing))):
        raise RequestError(f"the {kind} in config.json is a {type(thing).__name__}, which is not an {kind}")
