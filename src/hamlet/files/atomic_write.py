"""Write files atomically: a file is complete or absent, even if the process or the machine stops."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Wait until the content of a file, or the entries of a directory, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def named(path: Path) -> Path:
    """Return a path that ends in a name, for paths such as ``.`` and ``..``; so a sibling path can be derived from it.

    >>> named(Path("runs/a")), named(Path(".")).name == Path.cwd().name
    (PosixPath('runs/a'), True)
    """
    return path.resolve() if path.name in ("", "..") else path


def write(path: Path, data: str | bytes, *, mode: int = 0o666) -> None:
    """Write ``data`` to ``path`` atomically: readers see the complete old file or the complete new file.

    Args:
        path: The file.
        data: The whole content of the file.
        mode: Permission bits of the file; the process's umask is applied.

    Raises:
        OSError: The disk is full, or the directory cannot be written; the old file is unchanged.
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
    r"""Return an exception's message as one line of at most ``limit`` characters.

    >>> one_line(ValueError("no room:\n   disk is full"))
    'no room: disk is full'
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"
