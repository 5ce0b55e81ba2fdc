"""The two ways in which a request can end other than well.

Both carry one line that a person can act on. The command line prints that line and maps the class to the
exit status: 2 where the request itself is wrong, 1 where a correct request failed while running.
"""

from collections.abc import Iterable

from hamlet.nearest import suggestion

# How many choices a refusal names beside the nearest, which more would hide, and where nothing is near.
_LISTED, _LISTED_ALONE = 20, 30


class RequestError(ValueError):
    """The request is wrong: refused before any work, exit status 2."""


class RunError(RuntimeError):
    """A run failed after it began: exit status 1; what was saved before stays intact."""


def extended(error: RunError, text: str) -> RunError:
    """The same failure with more said at the end of its line; its notes, as a traceback, stay.

    >>> str(extended(RunError("copy 3 fell"), ", in iteration 2"))
    'copy 3 fell, in iteration 2'
    """
    longer = RunError(f"{error}{text}")
    for note in getattr(error, "__notes__", ()):
        longer.add_note(note)
    return longer


def unknown(kind: str, name: str, choices: Iterable[str], *, see: str = "") -> RequestError:
    """The refusal of a name that is not among the choices, with the nearest; where nothing is near, with the choices.

    Args:
        kind: What the name is of.
        name: As it was written.
        choices: What it could have been.
        see: What lists the choices, where they are many.

    >>> str(unknown("algorithm", "hapo", ["happo", "mappo"]))
    "there is no algorithm 'hapo'; the nearest is 'happo' (of happo, mappo)"
    >>> str(unknown("algorithm", "PPO", ["happo", "mappo", "vdn"]))
    "there is no algorithm 'PPO'; the nearest are 'mappo' and 'happo' (of happo, mappo, vdn)"
    >>> str(unknown("algorithm", "dreamer", ["happo", "mappo"]))
    "there is no algorithm 'dreamer' (of happo, mappo)"
    """
    names = sorted(choices)
    near = suggestion(name, names)
    listed = len(names) <= (_LISTED if near else _LISTED_ALONE)
    rest = f"of {', '.join(names)}" if listed else f"one of {len(names)}" + (f": see {see}" if see else "")
    return RequestError(f"there is no {kind} {name!r}{near} ({rest})")


def require(condition: bool, message: str) -> None:
    """Refuse a request unless the condition holds.

    Raises:
        RequestError: With the message.
    """
    if not condition:
        raise RequestError(message)
