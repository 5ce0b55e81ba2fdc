"""Open the SQLite file of a run's metrics safely, even if the file comes from another person.

An SQLite file may contain views that compute forever, triggers that act on writes, and computed columns. A journal
beside the file may name another file, which SQLite removes when it rolls the journal back. Hamlet writes none of these.
It accepts only plain tables of numbers and texts, and it does not roll back a journal that names another file.
"""

import contextlib
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

_COLUMN = r"\w+ (TEXT|INTEGER|REAL)( NOT NULL)?( PRIMARY KEY)?( NOT NULL)?( DEFAULT [\w.'-]+)?"
_TABLE = re.compile(
    rf'CREATE TABLE "?\w+"? ?\( ?{_COLUMN}(, {_COLUMN})*(, PRIMARY KEY \(\w+(, \w+)*\))? ?\)( WITHOUT ROWID)?'
)
# The last bytes of a journal that names another file.
_NAMES_ANOTHER = bytes.fromhex("d9d505f920a163d7")


def writable(path: str | Path) -> sqlite3.Connection:
    """Open the file for reading and writing; create it if it does not exist.

    Raises:
        sqlite3.Error: The file cannot be opened, or contains objects that Hamlet does not write.
    """
    if str(path) != ":memory:":
        _refuse_odd_files(Path(path))
    return _checked(sqlite3.connect(path, timeout=30.0, isolation_level=None))


@contextlib.contextmanager
def readable(path: Path, *, wait_seconds: float = 5.0) -> Iterator[sqlite3.Connection]:
    """Open the file for reading only.

    If a journal must be rolled back first, which needs write access, a temporary copy is opened instead.

    Args:
        path: The file.
        wait_seconds: How long to wait for another process that is writing.

    Raises:
        sqlite3.Error: The file cannot be read, or contains objects that Hamlet does not write.
        OSError: The file cannot be copied.
    """
    _refuse_odd_files(path)
    with contextlib.ExitStack() as stack:
        try:
            place = f"{path.resolve().as_uri()}?mode=ro"
            connection = _checked(sqlite3.connect(place, uri=True, timeout=wait_seconds))
        except sqlite3.OperationalError:
            if not _journal(path).exists():
                raise
            aside = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            for file_path in (path, _journal(path)):
                shutil.copyfile(file_path, aside / file_path.name)
            connection = _checked(sqlite3.connect(aside / path.name))
        yield stack.enter_context(contextlib.closing(connection))


def _journal(path: Path) -> Path:
    return path.with_name(f"{path.name}-journal")


def _refuse_odd_files(path: Path) -> None:
    for file_path in (path, _journal(path), path.with_name(f"{path.name}-wal")):
        if file_path.exists() and not file_path.is_file():
            raise sqlite3.DatabaseError(f"{file_path.name} is not a file")
    with contextlib.suppress(FileNotFoundError), _journal(path).open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - len(_NAMES_ANOTHER)))
        if file.read() == _NAMES_ANOTHER:
            raise sqlite3.DatabaseError(
                f"{_journal(path).name} names another file, which Hamlet does not change: remove the journal"
            )


def _checked(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Return the connection if the file contains only plain tables; raise an error otherwise."""
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        for kind, name, text in connection.execute("SELECT type, name, sql FROM sqlite_master"):
            plain = text is None if kind == "index" else kind == "table" and _is_plain(str(text))
            if not plain:
                raise sqlite3.DatabaseError(f"it contains the {kind} {name!r}, which Hamlet does not write")
    except BaseException:
        connection.close()
        raise
    return connection


def _is_plain(text: str) -> bool:
    return _TABLE.fullmatch(" ".join(text.split()).replace("( ", "(").replace(" )", ")")) is not None
