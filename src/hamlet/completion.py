"""``hamlet completion``: print a script for tab completion in a shell.

The script completes commands, options, algorithms, environments and presets. It contains all names, so that completion
does not start Python. The package shtab writes the script from argparse parsers. Hamlet builds these parsers only for
shtab: they declare the words and options of every command but never parse a command line.
"""

from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from hamlet import bench
from hamlet.algorithms import ALGORITHMS
from hamlet.cli import COMMANDS
from hamlet.commands import catalogue, games, request, sweep
from hamlet.errors import RequestError, RunError, unknown
from hamlet.experiments.registry import GRIDS
from hamlet.extras import bring
from hamlet.options import values
from hamlet.options.parsing import Command, Option, OptionGroup
from hamlet.presets import PRESETS

SHELLS: Mapping[str, str] = {
    "bash": "source <(hamlet completion bash)     in ~/.bashrc",
    "zsh": "hamlet completion zsh > ~/.zfunc/_hamlet     and fpath+=~/.zfunc before compinit",
    "fish": "hamlet completion fish > ~/.config/fish/completions/hamlet.fish",
}
COMMAND = Command(
    "hamlet completion",
    ("|".join(SHELLS),),
    (),
    "Print a script that adds tab completion of commands, options, algorithms, environments and\n"
    "presets to your shell. The script contains the names that are installed now. Print it again\n"
    "after you install a package with more environments. Install it with:\n\n"
    + "\n".join(f"  {shell:6}{line}" for shell, line in SHELLS.items()),
)
# Commands whose first word must be one of these names.
_NAMES: Mapping[str, Iterable[str]] = {
    "hamlet list": catalogue.TOPICS,
    "hamlet certify": ALGORITHMS,
    "hamlet reproduce": GRIDS,
    "hamlet completion": SHELLS,
    "hamlet games dynamics": games.GAMES,
}
_RUN = "RUN"
# How a vertical bar in a name is written in each shell's script. bash removes quoting twice, zsh removes it once, and
# fish adds the quoting itself.
_PIPES = {"bash": r"\\\|", "zsh": r"\|", "fish": "|"}


def main(argv: Sequence[str]) -> int:
    """Print the completion script for one shell."""
    (shell,), _ = COMMAND.parse(argv)
    if shell not in SHELLS:
        raise unknown("shell", shell, SHELLS)
    print(script(shell), end="")
    return 0


def script(shell: str) -> str:
    """Return the completion script for a shell of `SHELLS`.

    Raises:
        RequestError: shtab is not installed.
    """
    shtab = bring("shtab", "hamlet completion")
    return shtab.complete(_Words(shtab.FILE, shtab.DIRECTORY, _PIPES[shell]).parser(), shell=shell)


class _Words:
    """A builder of argparse parsers with the words and options of every command.

    Args:
        file: shtab's marker for an option that takes a file.
        directory: shtab's marker for a word that is a directory.
        pipe: How the shell's script writes a vertical bar in a name, such as mamujoco/Humanoid-9|8.
    """

    def __init__(self, file: Any, directory: Any, pipe: str) -> None:
        self._file, self._directory, self._pipe = file, directory, pipe

    def parser(self) -> ArgumentParser:
        """Return a parser with all commands."""
        root = ArgumentParser("hamlet")
        root.add_argument("--version", action="store_true", help="print the version")
        commands = root.add_subparsers()
        nested: Mapping[str, Callable[[ArgumentParser], None]] = {
            "train": lambda sub: self._algorithms(sub, request.BARE, ()),
            "sweep": lambda sub: self._algorithms(sub, sweep.COMMAND, [request.BARE.flags["--preset"]]),
            "games": self._games,
            "bench": self._benchmarks,
        }
        for name, (module, text) in COMMANDS.items():
            sub = commands.add_parser(name, help=text)
            if name in nested:
                nested[name](sub)
            else:
                self._command(sub, import_module(module).COMMAND)
        return root

    def _command(self, sub: ArgumentParser, command: Command) -> None:
        for word in command.words:
            if command.usage in _NAMES:
                sub.add_argument("NAME", choices=list(_NAMES[command.usage]))
            elif word.startswith(_RUN):
                added: Any = sub.add_argument(_RUN, nargs="*" if word.endswith("…") else None)
                added.complete = self._directory
        self._options(sub, _options(command))

    def _algorithms(self, sub: ArgumentParser, command: Command, more: Iterable[Option]) -> None:
        """Add the algorithms, each followed by the environments, its hyperparameters and all environments' options."""
        everywhere = [*_options(command), *more]
        self._options(sub, everywhere)
        environments = catalogue.environments()
        of_environments = {
            option.flag: option for load in environments.values() for option in _environment_options(load)
        }
        algorithms = sub.add_subparsers()
        for name, factory in ALGORITHMS.usable().items():
            behind = algorithms.add_parser(name, help=catalogue.first_line(factory))
            behind.add_argument("ENV", choices=[env.replace("|", self._pipe) for env in sorted(environments)])
            hyperparameters = OptionGroup("hyperparameter", factory).options
            self._options(behind, [*everywhere, *hyperparameters, *of_environments.values()])

    def _games(self, sub: ArgumentParser) -> None:
        topics = sub.add_subparsers()
        for name, command in games.TOPICS.items():
            self._command(topics.add_parser(name, help=command.description.split("\n")[0]), command)

    def _benchmarks(self, sub: ArgumentParser) -> None:
        topics = sub.add_subparsers()
        for name, text in bench.BENCHMARKS.items():
            topic = topics.add_parser(name, help=text)
            if name == "speed":
                topic.add_argument("ALGORITHM", choices=list(ALGORITHMS), nargs="?")

    def _options(self, sub: ArgumentParser, options: Iterable[Option]) -> None:
        for option in options:
            for flag in option.flags:
                self._option(sub, option, flag)

    def _option(self, sub: ArgumentParser, option: Option, flag: str) -> None:
        kind, words = values.bare(option.annotation), values.arity(option.annotation)
        text = option.help.replace("%", "%%")
        if words == 0:
            sub.add_argument(flag, action="store_true", help=text)
            return
        added: Any = sub.add_argument(flag, nargs={None: "+", 1: None}.get(words, words), help=text)
        if option.flag == "--preset":
            added.choices = [*PRESETS, "none"]
        elif get_origin(kind) is Literal:
            added.choices = [str(choice) for choice in get_args(kind)]
        elif kind is Path:
            added.complete = self._file


def _options(command: Command) -> list[Option]:
    return [option for group in command.groups for option in group.options]


def _environment_options(load: Callable[[], Callable[..., Any]]) -> list[Option]:
    """Return the options of an environment; an empty list if the environment cannot be loaded."""
    try:
        return OptionGroup("env", load(), prefixed=True).options
    except (RequestError, RunError):
        return []
