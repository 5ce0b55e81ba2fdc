"""``hamlet watch``: show the report of runs in a browser while they train, on this machine only."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from hamlet.commands.report import film, read, say
from hamlet.options.parsing import Command, OptionGroup
from hamlet.reports import watch


@dataclass(frozen=True, kw_only=True)
class WatchOptions:
    """Options of ``hamlet watch``.

    Attributes:
        port: The port of the web server on 127.0.0.1; 0 for any free port.
        still: Leave out the animations of the agents, which are otherwise recorded again about once per minute.
        trust: Execute code that the runs name and that is not part of Hamlet, although you did not start the runs on
            this machine. Without it, the report has no animations of such runs.
    """

    port: int = 8765
    still: bool = False
    trust: bool = False


COMMAND = Command(
    "hamlet watch",
    ("RUN…",),
    (OptionGroup("watch", WatchOptions, pairs=False),),
    "Show the report of one or more runs in a browser while they train. The page is at\n"
    "http://127.0.0.1:PORT/ and updates itself. Only this machine can open it. Press Ctrl-C to stop.\n\n"
    "example: hamlet watch runs/a",
)


def main(argv: Sequence[str]) -> int:
    """Serve the page until Ctrl-C."""
    runs, values = read(argv, COMMAND)
    options = WatchOptions(**values)  # type: ignore[arg-type]
    watched = watch.WatchedRuns(runs, None if options.still else partial(film, trust=options.trust))
    server = watch.server(watched, options.port)
    say(watched.document()["remarks"])
    address = f"http://{watch.HOST}:{server.server_address[1]}/"
    print(f"open {address} in a browser to watch {', '.join(runs)}; press Ctrl-C to stop", flush=True)
    watch.serve(server)
    return 0
