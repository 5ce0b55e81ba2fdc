"""``hamlet watch``: the report of runs while they train, served to this machine alone."""

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
        port: Where to serve, on this machine's loopback; 0 for any that is free.
        still: Leave the agents in motion out; they are recorded anew about once a minute.
        trust: Show also the agents of runs that name code that is not Hamlet's, though you did not begin them here.
    """

    port: int = 8765
    still: bool = False
    trust: bool = False


COMMAND = Command(
    "hamlet watch",
    ("RUN…",),
    (OptionGroup("watch", WatchOptions, pairs=False),),
    "Serve the report of one or more runs at http://127.0.0.1:PORT/ while they train; the page\n"
    "follows them. Only this machine is served. Ctrl-C ends it.\n\nexample: hamlet watch runs/a",
)


def main(argv: Sequence[str]) -> int:
    """Serve until Ctrl-C."""
    runs, values = read(argv, COMMAND)
    options = WatchOptions(**values)  # type: ignore[arg-type]
    watched = watch.WatchedRuns(runs, None if options.still else partial(film, trust=options.trust))
    server = watch.server(watched, options.port)
    say(watched.document()["remarks"])
    print(f"http://{watch.HOST}:{server.server_address[1]}/ follows {', '.join(runs)}; Ctrl-C ends it", flush=True)
    watch.serve(server)
    return 0
