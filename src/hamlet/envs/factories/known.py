"""The PettingZoo factories that a file may name without being trusted.

Hamlet's own, by their public names, and those of PettingZoo's and mpe2's environments, which do nothing but make one.
Every other factory is code of the user's own: calling it because a file says so would run whatever the file's author
wants (``subprocess:check_output`` is a function of a module like any other).
"""

import re
from collections.abc import Mapping
from typing import Any

CODE = "code"
"""Where a field of a dataclass that names a function says, in its metadata, which need no trust."""

FACTORIES = {"atari/pong": "hamlet.envs.atari.pong:parallel_env"}
# Modules of one environment each, and the names under which PettingZoo has its makers.
_PACKAGES = r"(mpe2|pettingzoo\.(atari|butterfly|classic|mpe|sisl))"
_FACTORY = re.compile(_PACKAGES + r"\.[a-z0-9_]+_v[0-9]+:(parallel_env|env|raw_env)")
# No path, and nothing that is read as one.
_WORD = re.compile(r"[A-Za-z0-9_-]{0,40}")
_PATHS = re.compile(r"path|dir|file|rom|url", re.IGNORECASE)


class Factories:
    """How a configuration writes the factory of a `hamlet.envs.pettingzoo.environment.PettingZoo`."""

    @staticmethod
    def name(place: str, fields: Mapping[str, Any]) -> str | None:
        """What stands for a factory in a file; None where calling it needs trust.

        Args:
            place: ``package.module:function``.
            fields: Those of the environment, of which the options count.
        """
        names = {place: name for name, place in FACTORIES.items()}
        if place not in names and not _FACTORY.fullmatch(place):
            return None
        return names.get(place, place) if _plain(fields.get("options", ())) else None

    @classmethod
    def place(cls, name: str, fields: Mapping[str, Any]) -> str | None:
        """The factory that a file names; None where there is none of that name that needs no trust."""
        place = FACTORIES.get(name, name)
        return place if cls.name(place, fields) == name else None


def _plain(options: Any) -> bool:
    """Whether options are pairs of a name and a number, a switch or a word, of which none names a file."""
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
