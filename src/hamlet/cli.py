"""The command line: ``hamlet COMMAND …``.

The exit status is 0 on success, 2 for a wrong request, and 1 if the command failed while running or was stopped. An
error is printed as one line on stderr.
"""

import contextlib
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

# Without this, XLA prints a line on stderr for each executable that it loads from the cache. XLA reads the variable
# before its first line.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import hamlet
from hamlet.errors import RequestError, RunError
from hamlet.nearest import suggestion
from hamlet.options import layout

COMMANDS = {
    "train": ("hamlet.commands.train", "train a team"),
    "resume": ("hamlet.commands.resume", "continue a run to its end, or beyond"),
    "evaluate": ("hamlet.commands.evaluate", "measure the return of a run's policy and compare it with random play"),
    "report": ("hamlet.commands.report", "write a report of one or more runs as HTML, Markdown and CSV"),
    "watch": ("hamlet.commands.watch", "show the report in a browser on this machine while runs train"),
    "crossplay": ("hamlet.commands.crossplay", "let policies of several runs play each other, and rank them"),
    "export": ("hamlet.commands.export", "write each agent's policy as NumPy, ONNX and StableHLO files"),
    "list": ("hamlet.commands.catalogue", "list the algorithms, environments and presets"),
    "check-env": ("hamlet.commands.check_env", "check an environment before training on it"),
    "certify": ("hamlet.commands.certify", "test an algorithm's theoretical guarantees on random games"),
    "reproduce": ("hamlet.commands.reproduce", "run a paper's experiment and compare the results with the paper's"),
    "sweep": ("hamlet.commands.sweep", "search for the best hyperparameters of an algorithm"),
    "games": (
        "hamlet.commands.games",
        "study gradient play in 2 x 2 games, and the variance of gradient estimates",
    ),
    "completion": ("hamlet.completion", "print a script for tab completion in bash, zsh or fish"),
    "bench": ("hamlet.bench", "measure speed, scaling and learning on this machine"),
}
_COMPILING = (
    "train",
    "resume",
    "evaluate",
    "crossplay",
    "report",
    "watch",
    "export",
    "certify",
    "reproduce",
    "sweep",
    "games",
    "bench",
)
# Seconds of compilation above which a program is stored in the cache. The start of a run compiles a few large programs
# and about a hundred small ones. All are stored; a small program takes less than a megabyte.
_CACHED_ABOVE = 0.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command of the command line.

    Args:
        argv: The arguments after ``hamlet``; None for the arguments of this process.

    Returns:
        The exit status: 0 on success, 1 if the command failed while running, 2 for a wrong request.
    """
    with warnings.catch_warnings(), _terminable():
        warnings.showwarning = _show_warning
        try:
            status = _dispatch(list(sys.argv[1:] if argv is None else argv))
            sys.stdout.flush()
            return status
        except RequestError as error:
            return _fail(error, 2)
        except RunError as error:
            return _fail(error, 1)
        except KeyboardInterrupt:
            return _fail("stopped as requested", 1)
        except BrokenPipeError:
            # The reader of the pipe, such as `head`, has closed it. Without this redirection, Python would print a
            # second error when it closes stdout.
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 0
        except Exception as error:
            if type(error).__name__ in ("JaxRuntimeError", "XlaRuntimeError"):
                return _fail(_device_failure(error), 1)
            line = _own_failure(error)
            if line is None:
                raise
            return _fail(line, 1)


def _dispatch(argv: list[str]) -> int:
    if not argv:
        raise RequestError("a command is missing; the most common is hamlet train (see hamlet --help)")
    name, rest = argv[0], argv[1:]
    if name in ("-h", "--help", "help"):
        print(_help())
        return 0
    if name == "--version":
        print(f"hamlet {hamlet.__version__}")
        return 0
    if name not in COMMANDS:
        near = suggestion(name, COMMANDS, "'hamlet {}'")
        raise RequestError(f"there is no command {name!r}{near} (choose from {', '.join(COMMANDS)})")
    module = COMMANDS[name][0]
    if name == "bench" and not _exists(module):
        raise RequestError("this installation has no benchmarks; hamlet train prints the environment steps per second")
    if name in _COMPILING and not {"-h", "--help"} & set(rest):
        _keep_programs()
    return import_module(module).main(rest) or 0


def _help() -> str:
    commands = [(name, text) for name, (module, text) in COMMANDS.items() if name != "bench" or _exists(module)]
    return "\n".join(
        [
            "usage: hamlet COMMAND …",
            "",
            "Multi-agent reinforcement learning in JAX, built on heterogeneous-agent mirror learning.",
            "",
            layout.rows(commands, indent="  "),
            "",
            "examples:",
            "  hamlet train happo mpe/simple_spread --steps 2M --out runs/a",
            "  hamlet evaluate runs/a",
            "",
            "For the options of a command: hamlet COMMAND --help",
            "Compiled programs are cached in ~/.cache/hamlet. Set HAMLET_CACHE to another directory,",
            "or to an empty value to turn the cache off.",
            "Exit status: 0 = success, 1 = failed while running, 2 = wrong request.",
        ]
    )


def _exists(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


def _keep_programs() -> None:
    """Store compiled programs on disk, so that the next start is faster."""
    import jax

    place = os.environ.get("HAMLET_CACHE", "~/.cache/hamlet")
    if "JAX_COMPILATION_CACHE_DIR" in os.environ or not place:
        return
    path = Path(place).expanduser() / "jax"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if os.access(path, os.W_OK):
        jax.config.update("jax_compilation_cache_dir", str(path))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", _CACHED_ABOVE)


def _fail(error: object, status: int) -> int:
    sys.stdout.flush()
    # An error may quote text from a file. Control characters are escaped, so that the terminal does not execute them.
    line = "".join(char if char.isprintable() else repr(char)[1:-1] for char in " ".join(str(error).split()))
    print(f"hamlet: {line}", file=sys.stderr, flush=True)
    return status


def _own_failure(error: BaseException) -> str | None:
    """Return where the user's code raised the error, and why; None if no user code was running."""
    import site
    import sysconfig
    import traceback

    installed = (*sysconfig.get_paths().values(), site.getusersitepackages(), str(Path(__file__).parent), "<")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(installed)]
    frames = [frame for frame in frames if not frame.filename.endswith(("/hamlet", "/pytest"))]
    if not frames:
        return None
    text = " ".join(str(error).split())
    return f"{frames[-1].filename}:{frames[-1].lineno} raises {type(error).__name__}: {text[:300]}"


def _device_failure(error: Exception) -> str:
    text = " ".join(str(error).split())[:300]
    advice = "; fewer --num-envs or a smaller --hidden need less" if "RESOURCE_EXHAUSTED" in text else ""
    return f"the device failed: {text}{advice}"


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    if not issubclass(category, DeprecationWarning | PendingDeprecationWarning | FutureWarning):  # for developers
        print("warning: " + " ".join(str(message).split()), file=sys.stderr, flush=True)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Stop the command on SIGTERM in the same way as on Ctrl-C, also outside the training loop."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


if __name__ == "__main__":
    sys.exit(main())
