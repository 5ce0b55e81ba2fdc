"""Files that are either wholly there or not at all, whenever the process or the machine stops."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Waits until the contents of a file, or the entries of a directory, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def named(path: Path) -> Path:
    """The same place by a path that ends in a name, as ``.`` and ``..`` do not, so that another can be put beside it.

    >>> named(Path("runs/a")), named(Path(".")).name == Path.cwd().name
    (PosixPath('runs/a'), True)
    """
    return path.resolve() if path.name in ("", "..") else path


def write(path: Path, data: str | bytes, *, mode: int = 0o666) -> None:
    """Puts ``data`` at ``path``: readers see the old file or the new one, never a part of either.

    Args:
        path: Of the file.
        data: All that it is to hold.
        mode: Who may read and write it, less what the process's mask takes away.

    Raises:
        OSError: The disk is full, or the directory cannot be written; the old file is untouched.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(aside, "wb", opener=lambda place, flags: os.open(place, flags, mode)) as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    sync(path.parent)


def one_line(error: BaseException, limit: int = 200) -> str:
    r"""What an exception says, on one line of at most ``limit`` characters.

    >>> one_line(ValueError("no room:\n   disk is full"))
    'no room: disk is full'
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"
