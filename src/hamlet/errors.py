"""The two exceptions that Hamlet raises for its users: a wrong request, and a run that failed.

Each exception has a one-line message that says what to do. The command line prints this line and exits with status 2
for a wrong request (`RequestError`) and with status 1 for a correct request that failed while running (`RunError`).
"""

from collections.abc import Iterable

from hamlet.nearest import suggestion

# A message lists all choices if there are at most this many: with a suggestion, and without one. A longer list would
# hide the suggestion.
_LISTED, _LISTED_ALONE = 20, 30


class RequestError(ValueError):
    """The request is wrong. It is refused before any work starts; the exit status is 2."""


class RunError(RuntimeError):
    """A run failed after its start; the exit status is 1. Data that was saved before the failure stays intact."""


def extended(error: RunError, text: str) -> RunError:
    """Return the same error with text appended to its message. Notes of the error, such as a traceback, are kept.

    >>> str(extended(RunError("copy 3 fell"), ", in iteration 2"))
    'copy 3 fell, in iteration 2'
    """
    longer = RunError(f"{error}{text}")
    for note in getattr(error, "__notes__", ()):
        longer.add_note(note)
    return longer


def unknown(kind: str, name: str, choices: Iterable[str], *, see: str = "") -> RequestError:
    """Return the error for a name that is not one of the choices.

    The message suggests the nearest choices, if there are any. It lists all choices, unless there are too many.

    Args:
        kind: The kind of thing that has the name, such as "algorithm".
        name: The name as the user wrote it.
        choices: The valid names.
        see: The command that lists the choices. The message names it if there are too many choices to list.

    >>> str(unknown("algorithm", "hapo", ["happo", "mappo"]))
    "there is no algorithm 'hapo'; the nearest is 'happo' (choose from happo, mappo)"
    >>> str(unknown("algorithm", "PPO", ["happo", "mappo", "vdn"]))
    "there is no algorithm 'PPO'; the nearest are 'mappo' and 'happo' (choose from happo, mappo, vdn)"
    >>> str(unknown("algorithm", "dreamer", ["happo", "mappo"]))
    "there is no algorithm 'dreamer' (choose from happo, mappo)"
    """
    names = sorted(choices)
    near = suggestion(name, names)
    listed = len(names) <= (_LISTED if near else _LISTED_ALONE)
    rest = f"choose from {', '.join(names)}" if listed else f"{len(names)} choices" + (f": see {see}" if see else "")
    return RequestError(f"there is no {kind} {name!r}{near} ({rest})")


def require(condition: bool, message: str) -> None:
    """Check a condition on the request.

    Raises:
        RequestError: The condition is false; the error has this message.
    """
    if not condition:
        raise RequestError(message)
