"""The two ways in which a request can end other than well.

Both carry one line that a person can act on. The command line prints that line and maps the class to the
exit status: 2 where the request itself is wrong, 1 where a correct request failed while running.
"""

import difflib
from collections.abc import Iterable

# How many choices a refusal names: more hide the nearest.
_LISTED = 20


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


def unknown(kind: str, name: str, choices: Iterable[str]) -> RequestError:
    """The refusal of a name that is not among the choices, with the nearest one that is.

    >>> str(unknown("algorithm", "hapo", ["happo", "mappo"]))
    "there is no algorithm 'hapo'; the nearest is 'happo' (of happo, mappo)"
    """
    names = sorted(choices)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
    nearest = f"; the nearest is {near[0]!r}" if near else ""
    rest = f"of {', '.join(names)}" if len(names) <= _LISTED else f"one of {len(names)}"
    return RequestError(f"there is no {kind} {name!r}{nearest} ({rest})")


def nearest(name: str, choices: Iterable[str]) -> str:
    """The end of a refusal: the choice that is most like the name, if there is any.

    >>> nearest("radios", ["radius", "limits"])
    "; the nearest is 'radius'"
    """
    near = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.0)
    return f"; the nearest is {near[0]!r}" if near else ""


def require(condition: bool, message: str) -> None:
    """Refuse a request unless the condition holds.

    Raises:
        RequestError: With the message.
    """
    if not condition:
        raise RequestError(message)
