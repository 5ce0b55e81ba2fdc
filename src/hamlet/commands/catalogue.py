"""What there is, by name, and ``hamlet list``, which prints it."""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import entry_points
from typing import Any

from hamlet.algorithms import ALGORITHMS
from hamlet.envs.registry import ENTRY_POINTS, ENVIRONMENTS
from hamlet.errors import RequestError, RunError, unknown
from hamlet.files.atomic_write import one_line
from hamlet.options import factories, layout
from hamlet.options.parsing import Command, OptionGroup
from hamlet.presets import PRESETS

TOPICS = ("algorithms", "envs", "presets")
COMMAND = Command(
    "hamlet list",
    ("[algorithms|envs|presets]",),
    (),
    "What there is to train with, to train on, and the papers' hyperparameters.\n\nexample: hamlet list envs",
)


def main(argv: Sequence[str]) -> int:
    """Print the algorithms, environments or presets; without a topic, all of them."""
    if any(word in ("-h", "--help") for word in argv):
        COMMAND.show_help()
    if len(argv) > 1:
        raise RequestError(f"{argv[1]!r} is left over: hamlet list takes one of {', '.join(TOPICS)}, or nothing")
    if argv and argv[0] not in TOPICS:
        raise unknown("list of", argv[0], TOPICS)
    for number, topic in enumerate(argv or TOPICS):
        if not argv:
            print(("\n" if number else "") + topic)
        print(layout.rows(_rows(topic, options=bool(argv)), indent="" if argv else "  "))
    if not argv:
        print("\nthe options of each environment: hamlet list envs")
    return 0


def environments() -> dict[str, Callable[[], Callable[..., Any]]]:
    """The loader of every environment's factory, by name; those of others through their entry points."""
    builtin_loaders = {name: partial(_itself, factory) for name, factory in ENVIRONMENTS.items()}
    return {entry.name: partial(_load, entry) for entry in entry_points(group=ENTRY_POINTS)} | builtin_loaders


def factory(name: str) -> Callable[..., Any]:
    """What makes the environment of a name, or the one at ``MODULE:FACTORY``.

    Raises:
        RequestError: If there is none of that name.
        RunError: If another package's cannot be loaded.
    """
    if ":" in name:
        return factories.environment(name)
    known = environments()
    if name not in known:
        raise unknown("environment", name, known, see="hamlet list envs")
    return known[name]()


def _itself(factory: Callable[..., Any]) -> Callable[..., Any]:
    return factory


def _load(entry: Any) -> Callable[..., Any]:
    try:
        return entry.load()
    except Exception as error:
        raise RunError(f"the environment {entry.name} of {entry.value} cannot be loaded: {one_line(error)}") from error


def first_line(target: Any) -> str:
    """What a docstring says first."""
    return (inspect.getdoc(target) or "").split("\n")[0]


def _rows(topic: str, *, options: bool) -> list[tuple[str, str]]:
    """What there is of a topic, and a line on each; of environments with their options, where they are asked for."""
    if topic == "envs":
        return _environments(options=options)
    return _algorithms() if topic == "algorithms" else _presets()


def _algorithms() -> list[tuple[str, str]]:
    return [(name, _described(partial(ALGORITHMS.__getitem__, name))) for name in ALGORITHMS]


def _described(load: Callable[[], Any]) -> str:
    """The first line of what is loaded, or why it cannot be."""
    try:
        return first_line(load())
    except (RequestError, RunError) as error:
        return str(error)


def _environments(*, options: bool) -> list[tuple[str, str]]:
    """Every environment, and where it is asked for, what it can be told."""
    loaders = sorted(environments().items())
    return [(name, _described(load) + (_spoken_options(load) if options else "")) for name, load in loaders]


def _spoken_options(load: Callable[[], Callable[..., Any]]) -> str:
    """The options of an environment, as they stand behind ``--env.``; empty where it has none or cannot be loaded."""
    try:
        options = OptionGroup("env", load(), prefixed=True).options
    except RunError:
        return ""
    return f" ({', '.join(option.flags[0].removeprefix('--env.') for option in options)})" if options else ""


def _presets() -> list[tuple[str, str]]:
    return [(name, f"for {', '.join(table)}") for name, table in PRESETS.items()]
