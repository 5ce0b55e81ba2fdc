"""The algorithms, environments and presets by name, and the command ``hamlet list``, which prints them."""

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
    "List the algorithms, the environments with their options, and the presets (the hyperparameters\n"
    "of papers). Without an argument, it lists all three.\n\nexample: hamlet list envs",
)


def main(argv: Sequence[str]) -> int:
    """Print the algorithms, the environments or the presets; without an argument, all three."""
    if any(word in ("-h", "--help") for word in argv):
        COMMAND.show_help()
    if len(argv) > 1:
        raise RequestError(f"unexpected argument {argv[1]!r}: hamlet list takes one of {', '.join(TOPICS)}, or none")
    if argv and argv[0] not in TOPICS:
        raise unknown("list of", argv[0], TOPICS)
    for number, topic in enumerate(argv or TOPICS):
        if not argv:
            print(("\n" if number else "") + topic)
        print(layout.rows(_rows(topic, options=bool(argv)), indent="" if argv else "  "))
    if not argv:
        print("\nto list the environments with their options: hamlet list envs")
    return 0


def environments() -> dict[str, Callable[[], Callable[..., Any]]]:
    """Return a function that loads the factory of each environment, by name.

    Environments of other packages come from their entry points.
    """
    builtin_loaders = {name: partial(_itself, factory) for name, factory in ENVIRONMENTS.items()}
    return {entry.name: partial(_load, entry) for entry in entry_points(group=ENTRY_POINTS)} | builtin_loaders


def factory(name: str) -> Callable[..., Any]:
    """Return the factory of an environment, from its name or from ``MODULE:FACTORY``.

    Raises:
        RequestError: There is no environment of this name.
        RunError: The environment belongs to another package and cannot be loaded.
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
    """Return the first line of a docstring."""
    return (inspect.getdoc(target) or "").split("\n")[0]


def _rows(topic: str, *, options: bool) -> list[tuple[str, str]]:
    """Return the names of a topic, each with a line of description; ``options`` adds the options of environments."""
    if topic == "envs":
        return _environments(options=options)
    return _algorithms() if topic == "algorithms" else _presets()


def _algorithms() -> list[tuple[str, str]]:
    return [(name, _described(partial(ALGORITHMS.__getitem__, name))) for name in ALGORITHMS]


def _described(load: Callable[[], Any]) -> str:
    """Return the first line of the docstring of what ``load`` returns, or the reason why it cannot be loaded."""
    try:
        return first_line(load())
    except (RequestError, RunError) as error:
        return str(error)


def _environments(*, options: bool) -> list[tuple[str, str]]:
    """Return the environments, each with a line of description; ``options`` adds their options."""
    loaders = sorted(environments().items())
    return [(name, _described(load) + (_spoken_options(load) if options else "")) for name, load in loaders]


def _spoken_options(load: Callable[[], Callable[..., Any]]) -> str:
    """Return the options of an environment without ``--env.``; empty if it has none or cannot be loaded."""
    try:
        options = OptionGroup("env", load(), prefixed=True).options
    except RunError:
        return ""
    return f" ({', '.join(option.flags[0].removeprefix('--env.') for option in options)})" if options else ""


def _presets() -> list[tuple[str, str]]:
    return [(name, f"for {', '.join(table)}") for name, table in PRESETS.items()]
