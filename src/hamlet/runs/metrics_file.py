"""The SQLite file of a run's metrics, opened so that a stranger's file can do nothing but be read.

A file of SQLite may hold views that compute for ever, triggers that act on writing, and columns that are computed; and
a journal beside it may name another file, which undoing the journal removes. Hamlet writes none of them: only plain
tables of numbers and texts are used, and a journal that names another file is not undone.
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
# At the end of a journal that names another file.
_NAMES_ANOTHER = bytes.fromhex("d9d505f920a163d7")


def writable(path: str | Path) -> sqlite3.Connection:
    """The file to be read and written; made if absent.

    Raises:
        sqlite3.Error: It cannot be opened, or holds what Hamlet does not write.
    """
    if str(path) != ":memory:":
        _refuse_odd_files(Path(path))
    return _checked(sqlite3.connect(path, timeout=30.0, isolation_level=None))


@contextlib.contextmanager
def readable(path: Path, *, wait_seconds: float = 5.0) -> Iterator[sqlite3.Connection]:
    """The file to be read alone; a copy where a journal must be undone first, which only a writer may.

    Args:
        path: Of the file.
        wait_seconds: For a process that is just writing.

    Raises:
        sqlite3.Error: It cannot be read, or holds what Hamlet does not write.
        OSError: It cannot be copied.
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
            raise sqlite3.DatabaseError(f"{file_path.name} is no file")
    with contextlib.suppress(FileNotFoundError), _journal(path).open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - len(_NAMES_ANOTHER)))
        if file.read() == _NAMES_ANOTHER:
            raise sqlite3.DatabaseError(f"{_journal(path).name} names another file, which is not touched: remove it")


def _checked(connection: sqlite3.Connection) -> sqlite3.Connection:
    """A connection to a file of plain tables."""
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        for kind, name, text in connection.execute("SELECT type, name, sql FROM sqlite_master"):
            plain = text is None if kind == "index" else kind == "table" and _is_plain(str(text))
            if not plain:
                raise sqlite3.DatabaseError(f"it holds the {kind} {name!r}, which Hamlet does not write")
    except BaseException:
        connection.close()
        raise
    return connection


def _is_plain(text: str) -> bool:
    return _TABLE.fullmatch(" ".join(text.split()).replace("( ", "(").replace(" )", ")")) is not None
