"""The PettingZoo factories that a file may name without the user's trust.

These are Hamlet's own factories, under their public names, and the factories of PettingZoo's and mpe2's environments,
which only make an environment. Every other factory is the user's own code. If Hamlet called it because a file says so,
it would run any code that the file's author chose (``subprocess:check_output`` is also a function of a module).
"""

import re
from collections.abc import Mapping
from typing import Any

CODE = "code"
"""The metadata key of a dataclass field that names a function; its value says which functions need no trust."""

FACTORIES = {"atari/pong": "hamlet.envs.atari.pong:parallel_env"}
# Modules with one environment each, and the names of their factories in PettingZoo.
_PACKAGES = r"(mpe2|pettingzoo\.(atari|butterfly|classic|mpe|sisl))"
_FACTORY = re.compile(_PACKAGES + r"\.[a-z0-9_]+_v[0-9]+:(parallel_env|env|raw_env)")
# A string that is not a path and cannot be read as one.
_WORD = re.compile(r"[A-Za-z0-9_-]{0,40}")
_PATHS = re.compile(r"path|dir|file|rom|url", re.IGNORECASE)


class Factories:
    """How a configuration stores the factory of a `hamlet.envs.pettingzoo.environment.PettingZoo`."""

    @staticmethod
    def name(place: str, fields: Mapping[str, Any]) -> str | None:
        """Return the name of a factory in a file; None if calling the factory needs trust.

        Args:
            place: ``package.module:function``.
            fields: The fields of the environment; only its options are used.
        """
        names = {place: name for name, place in FACTORIES.items()}
        if place not in names and not _FACTORY.fullmatch(place):
            return None
        return names.get(place, place) if _plain(fields.get("options", ())) else None

    @classmethod
    def place(cls, name: str, fields: Mapping[str, Any]) -> str | None:
        """Return the factory that a file names; None if no factory without need of trust has this name."""
        place = FACTORIES.get(name, name)
        return place if cls.name(place, fields) == name else None


def _plain(options: Any) -> bool:
    """Return whether options are pairs of a name and a number, boolean, None or string, none of which names a file."""
    return isinstance(options, tuple | list) and all(
        isinstance(pair, tuple | list)
        and len(pair) == 2
        and isinstance(pair[0], str)
        and not _PATHS.search(pair[0])
        and (pair[1] is None or isinstance(pair[1], bool | int | float) or _is_word(pair[1]))
        for pair in options
    )


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and _WORD.fullmatch(value) is not None
