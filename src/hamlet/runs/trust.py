"""Which runs may run code of their own: those that this user began on this machine, and those that the user trusts.

A configuration may name code that is no part of Hamlet: a drift, an environment or a factory. Reading such a run
imports that code. So for every run that names some, the digest of its config.json is kept when it is begun, outside of
the run, in a directory of this user's own, with the directories in which the code was found. A config.json whose digest
is known there was written by this user, wherever it lies now; one that was edited, or came from elsewhere, is refused
until it is trusted explicitly. A run made of Hamlet's own parts needs none of this.
"""

import hashlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from hamlet.envs.factories import user_modules
from hamlet.errors import RequestError
from hamlet.files import atomic_write, json_file

ADVICE = "look at its config.json and that code, then say --trust (in Python trust=True)"
# Names of a refusal at most.
_NAMED = 5
# What this process has begun, as no file may be writable.
_BEGUN: dict[str, dict[str, str]] = {}


def digest(config: bytes) -> str:
    """That of a config.json."""
    return hashlib.sha256(config).hexdigest()


def record(config: bytes, names: Sequence[str]) -> str | None:
    """Keep that this user has written a config.json, which names code of his own.

    Args:
        config: The bytes of the file.
        names: What it names, ``package.module:name`` each; where it names nothing, nothing is kept.

    Returns:
        Why it could not be kept beyond this process, as a line; None where it could.
    """
    if not names:
        return None
    known = digest(config)
    directories = _BEGUN[known] = user_modules.directories(names)
    try:
        home = _home()
        home.parent.parent.mkdir(parents=True, exist_ok=True)
        for place in (home.parent, home):
            place.mkdir(mode=0o700, exist_ok=True)
        _refuse_shared(home)
        text = json_file.as_text({"version": 1, "modules": directories})
        atomic_write.write(home / f"{known}.json", text, mode=0o600)
    except (OSError, RuntimeError, ValueError) as error:
        return f"this run needs --trust in later commands, as it could not be kept that it is yours: {_line(error)}"
    return None


def permit(config: bytes, names: Sequence[str], what: str, *, trusted: bool) -> None:
    """Have the code that a config.json names found, if it may be run.

    Args:
        config: The bytes of the file.
        names: The code that it names.
        what: Which file or run, for a refusal.
        trusted: Whether the user says in this call that he trusts it.

    Raises:
        RequestError: It may not: this user did not begin the run, or the file is another by now, and it is not trusted.
    """
    if not names:
        return
    directories, doubt = _known(digest(config))
    if directories is not None:
        user_modules.remember(directories)
    elif trusted:
        for name in names:
            user_modules.called(name)
    else:
        listed = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if names[_NAMED:] else "")
        raise RequestError(
            f"{what} would run code that is not Hamlet's, {listed}, and is no run of yours{doubt}: {ADVICE}"
        )


def _known(known: str) -> tuple[dict[str, str] | None, str]:
    """The directories kept for a digest, None where there are none; and why what is kept is not relied on."""
    if known in _BEGUN:
        return _BEGUN[known], ""
    try:
        home = _home()
        path = home / f"{known}.json"
        if not path.exists():
            return None, ""
        _refuse_shared(home)
        _refuse_shared(path)
        directories = json_file.read(path)["modules"]
        return {str(name): str(directory) for name, directory in directories.items()}, ""
    except (OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
        return None, f" as far as can be known ({_line(error)})"


def _home() -> Path:
    """Where digests are kept: below $XDG_STATE_HOME, or ~/.local/state."""
    place = os.environ.get("XDG_STATE_HOME", "")
    state = Path(place) if os.path.isabs(place) else Path.home() / ".local" / "state"
    return state / "hamlet" / "runs"


def _refuse_shared(path: Path) -> None:
    """Refuse a file or directory that another user could have written.

    Raises:
        ValueError: He could have.
    """
    for place in (path, path.parent):
        status = place.lstat()
        if status.st_uid != os.geteuid():
            raise ValueError(f"{place} belongs to another user")
        if stat.S_IMODE(status.st_mode) & (stat.S_IWGRP | stat.S_IWOTH):
            raise ValueError(f"{place} can be written by others: chmod go-w {place}")
        if stat.S_ISLNK(status.st_mode):
            raise ValueError(f"{place} is a link")


def _line(error: Exception) -> str:
    place = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
    return place + atomic_write.one_line(error)
