"""The command line: ``hamlet COMMAND …``.

Exit status: 0 done; 2 the request is wrong; 1 it failed while running, or was stopped. An error is one line on stderr.
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

# XLA reports on stderr about every executable that it takes from the cache; it reads this when it first speaks.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import hamlet
from hamlet.errors import RequestError, RunError
from hamlet.nearest import suggestion
from hamlet.options import layout

COMMANDS = {
    "train": ("hamlet.commands.train", "train a team"),
    "resume": ("hamlet.commands.resume", "go on with a run, to its end or further"),
    "evaluate": ("hamlet.commands.evaluate", "what a run's policy earns, beside random play"),
    "report": ("hamlet.commands.report", "what runs earned, as a page, Markdown and CSV"),
    "watch": ("hamlet.commands.watch", "the same page while runs train, served to this machine"),
    "crossplay": ("hamlet.commands.crossplay", "runs against one another: who earns what, and who is good"),
    "export": ("hamlet.commands.export", "each agent's policy alone, as NumPy, ONNX and StableHLO files"),
    "list": ("hamlet.commands.catalogue", "the algorithms, environments and presets"),
    "check-env": ("hamlet.commands.check_env", "what is wrong with an environment, before any training"),
    "certify": ("hamlet.commands.certify", "what the theory promises, held against an algorithm on random games"),
    "reproduce": ("hamlet.commands.reproduce", "a paper's table or figure, run here beside the published"),
    "sweep": ("hamlet.commands.sweep", "search an algorithm's hyperparameters"),
    "games": (
        "hamlet.commands.games",
        "gradient play on games of two by two, and how gradients vary, with pictures",
    ),
    "completion": ("hamlet.completion", "a script by which bash, zsh or fish completes these words"),
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
# Starting a run compiles a hundred small programs besides the large ones: all are kept, under a megabyte each.
_CACHED_ABOVE = 0.0


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the words ask for.

    Args:
        argv: The words after ``hamlet``; None for those of this process.

    Returns:
        The exit status.
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
            return _fail("stopped as asked", 1)
        except BrokenPipeError:
            # The reader, such as `head`, has seen enough; Python would complain once more when it closes stdout.
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
        raise RequestError("a command is missing; the nearest is hamlet train (see hamlet --help)")
    name, rest = argv[0], argv[1:]
    if name in ("-h", "--help", "help"):
        print(_help())
        return 0
    if name == "--version":
        print(f"hamlet {hamlet.__version__}")
        return 0
    if name not in COMMANDS:
        near = suggestion(name, COMMANDS, "'hamlet {}'")
        raise RequestError(f"there is no command {name!r}{near} (of {', '.join(COMMANDS)})")
    module = COMMANDS[name][0]
    if name == "bench" and not _exists(module):
        raise RequestError("this installation has no benchmarks; the nearest is hamlet train, which prints env steps/s")
    if name in _COMPILING and not {"-h", "--help"} & set(rest):
        _keep_programs()
    return import_module(module).main(rest) or 0


def _help() -> str:
    commands = [(name, text) for name, (module, text) in COMMANDS.items() if name != "bench" or _exists(module)]
    return "\n".join(
        [
            "usage: hamlet COMMAND …",
            "",
            "Multi-agent reinforcement learning: heterogeneous-agent mirror learning in JAX.",
            "",
            layout.rows(commands, indent="  "),
            "",
            "examples:",
            "  hamlet train happo mpe/simple_spread --steps 2M --out runs/a",
            "  hamlet evaluate runs/a",
            "",
            "hamlet COMMAND --help says more. Compiled programs are kept in ~/.cache/hamlet,",
            "or in $HAMLET_CACHE (empty: nowhere). Exit status: 0 done, 1 failed, 2 wrong request.",
        ]
    )


def _exists(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


def _keep_programs() -> None:
    """Keep compiled programs on the disk, so that the next start is quick."""
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
    # What an error quotes may come from a file: no terminal shall obey it.
    line = "".join(char if char.isprintable() else repr(char)[1:-1] for char in " ".join(str(error).split()))
    print(f"hamlet: {line}", file=sys.stderr, flush=True)
    return status


def _own_failure(error: BaseException) -> str | None:
    """Where code of the user's own failed, and why; None where none of it was under way."""
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
    """SIGTERM ends a command as Ctrl-C does, also where no training loop listens for it."""
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
