"""Decides which runs may execute user code: runs that this user started on this machine, and runs the user trusts.

A configuration may name code that is not part of Hamlet: a drift, an environment or a factory. Reading such a run
imports that code. So when a run that names user code starts, Hamlet stores the digest of its config.json outside of the
run, in a directory of this user, together with the directories in which the code was found.

* A config.json with a stored digest was written by this user, even if the run was moved: its code may be executed.
* A config.json that was edited, or that comes from another person or machine, is refused until the user trusts it
  explicitly.
* A run that consists of Hamlet's own parts needs no trust.
"""

import hashlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from hamlet.envs.factories import user_modules
from hamlet.errors import RequestError
from hamlet.files import atomic_write, json_file

ADVICE = "check its config.json and that code, then use --trust (in Python trust=True)"
# The most names in an error message.
_NAMED = 5
# The runs that this process started; needed if no file can be written.
_BEGUN: dict[str, dict[str, str]] = {}


def digest(config: bytes) -> str:
    """Return the SHA-256 digest of a config.json."""
    return hashlib.sha256(config).hexdigest()


def record(config: bytes, names: Sequence[str]) -> str | None:
    """Record that this user wrote a config.json that names user code.

    Args:
        config: The bytes of the file.
        names: The user code that it names, each ``package.module:name``. If it is empty, nothing is recorded.

    Returns:
        A line that says why the record is not stored beyond this process; None if it is stored.
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
        return (
            "later commands need --trust for this run, because Hamlet could not record that you started it: "
            f"{_line(error)}"
        )
    return None


def permit(config: bytes, names: Sequence[str], what: str, *, trusted: bool) -> None:
    """Check that the user code that a config.json names may be executed, and make it importable.

    Args:
        config: The bytes of the file.
        names: The user code that it names.
        what: Name of the file or run, for error messages.
        trusted: Whether the user trusts the file in this call.

    Raises:
        RequestError: The file is not trusted, and this user did not start the run or the file was edited since.
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
            f"{what} would execute code that is not part of Hamlet ({listed}), "
            f"and you did not start this run{doubt}: {ADVICE}"
        )


def _known(known: str) -> tuple[dict[str, str] | None, str]:
    """Return the directories stored for a digest, or None; and a text that says why the record is not relied on."""
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
        return None, f" as far as Hamlet can know ({_line(error)})"


def _home() -> Path:
    """Return the directory of the digests: below $XDG_STATE_HOME, or ~/.local/state."""
    place = os.environ.get("XDG_STATE_HOME", "")
    state = Path(place) if os.path.isabs(place) else Path.home() / ".local" / "state"
    return state / "hamlet" / "runs"


def _refuse_shared(path: Path) -> None:
    """Check that only this user could have written a file or directory.

    Raises:
        ValueError: Another user could have written it.
    """
    for place in (path, path.parent):
        status = place.lstat()
        if status.st_uid != os.geteuid():
            raise ValueError(f"{place} belongs to another user")
        if stat.S_IMODE(status.st_mode) & (stat.S_IWGRP | stat.S_IWOTH):
            raise ValueError(f"other users can write {place}: chmod go-w {place}")
        if stat.S_ISLNK(status.st_mode):
            raise ValueError(f"{place} is a link")


def _line(error: Exception) -> str:
    place = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
    return place + atomic_write.one_line(error)
