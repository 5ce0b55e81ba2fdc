"""Files that others may have written: read only if they are plain, lie where they should, and are of a size to expect.

No link is followed unless that is asked for and it stays inside, no pipe or device is opened, nothing is read without a
bound: a directory of any content is read, or refused, within bounded time and memory.
"""

import hashlib
import io
import os
import stat
from pathlib import Path

# Of one directory: a checkpoint has a few for every leaf.
MOST_FILES = 100_000


def opened(path: Path, *, inside: Path | None = None) -> io.BufferedReader:
    """A plain file, for reading.

    Args:
        path: Of the file.
        inside: The directory that a link at ``path`` must not lead out of; without it no link is followed.

    Raises:
        OSError: It cannot be opened, or is a link that is not followed.
        ValueError: It is a pipe, a device or a directory, or a link that leads out.
    """
    if inside is not None:
        refuse_link(path, inside)
    follow = 0 if inside is not None else os.O_NOFOLLOW
    # Opening a pipe would wait for its other end.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | follow)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError(f"{path.name} is no regular file")
    return open(descriptor, "rb")


def contents(path: Path, most: int, *, inside: Path | None = None) -> bytes:
    """The bytes of a plain file.

    Raises:
        OSError: It cannot be opened, or is a link that is not followed.
        ValueError: It is no plain file, a link that leads out, or has more than ``most`` bytes.
    """
    with opened(path, inside=inside) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(most + 1) if size <= most else b""
        if max(size, len(data)) > most:
            raise ValueError(f"{path.name} is larger than {most:,} bytes")
        return data


def refuse_link(path: Path, inside: Path) -> None:
    """Refuse a link that leads out of a directory.

    Raises:
        ValueError: It does.
    """
    if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(inside)):
        raise ValueError("it is a link that leads out of its directory")


def sha256(path: Path) -> str:
    """The digest of a plain file, in hexadecimal; its size is the caller's to check.

    Raises:
        OSError: It cannot be read, or is a link.
        ValueError: It is no plain file.
    """
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def within(directory: Path) -> dict[str, int]:
    """Every file below a directory, by its path from there, with its bytes.

    Raises:
        OSError: Something cannot be listed.
        ValueError: Something is neither a plain file nor a directory, or there are more than `MOST_FILES`.
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
                    raise ValueError(f"{name} is no regular file")
                if len(files) + folders > MOST_FILES:
                    raise ValueError(f"there are more than {MOST_FILES:,} files")
    return files
