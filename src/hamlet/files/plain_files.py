"""Read files that other people may have written: only plain files, in the expected place and of limited size.

A link is followed only if the caller allows it and it stays inside its directory. Pipes and devices are not opened. All
reads have a size limit. So every directory is read or refused in bounded time and memory.
"""

import hashlib
import io
import os
import stat
from pathlib import Path

# The most files in one directory: a checkpoint has a few files per leaf.
MOST_FILES = 100_000


def opened(path: Path, *, inside: Path | None = None) -> io.BufferedReader:
    """Open a plain file for reading.

    Args:
        path: The file.
        inside: A link at ``path`` must not lead out of this directory; with None, links are not followed.

    Raises:
        OSError: The file cannot be opened, or is a link that is not followed.
        ValueError: It is a pipe, a device or a directory, or a link that leads out of ``inside``.
    """
    if inside is not None:
        refuse_link(path, inside)
    follow = 0 if inside is not None else os.O_NOFOLLOW
    # O_NONBLOCK, because opening a pipe would wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | follow)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError(f"{path.name} is not a regular file")
    return open(descriptor, "rb")


def contents(path: Path, most: int, *, inside: Path | None = None) -> bytes:
    """Return the bytes of a plain file.

    Raises:
        OSError: The file cannot be opened, or is a link that is not followed.
        ValueError: It is not a plain file, or a link that leads out of ``inside``, or has more than ``most`` bytes.
    """
    with opened(path, inside=inside) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(most + 1) if size <= most else b""
        if max(size, len(data)) > most:
            raise ValueError(f"{path.name} is larger than {most:,} bytes")
        return data


def refuse_link(path: Path, inside: Path) -> None:
    """Check that a path is not a link that leads out of the directory ``inside``.

    Raises:
        ValueError: The path is such a link.
    """
    if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(inside)):
        raise ValueError("it is a link that leads out of its directory")


def sha256(path: Path) -> str:
    """Return the SHA-256 digest of a plain file, in hexadecimal; the caller must check the size.

    Raises:
        OSError: The file cannot be read, or is a link.
        ValueError: It is not a plain file.
    """
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def within(directory: Path) -> dict[str, int]:
    """Return all files below a directory, by their relative path, with their sizes in bytes.

    Raises:
        OSError: A directory cannot be listed.
        ValueError: An entry is neither a plain file nor a directory, or there are more than `MOST_FILES` entries.
    """
    if directory.is_symlink():
        raise ValueError(f"{directory.name} is a link")
    files: dict[str, int] = {}
    folders, waiting = 1, [directory]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                name = Path(entry.path).relative_to(directory).as_posix()
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                    folders += 1
                elif entry.is_file(follow_symlinks=False):
                    files[name] = entry.stat(follow_symlinks=False).st_size
                else:
                    raise ValueError(f"{name} is not a regular file")
                if len(files) + folders > MOST_FILES:
                    raise ValueError(f"there are more than {MOST_FILES:,} files")
    return files
