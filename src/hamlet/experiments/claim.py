"""A directory kept for one request, so that what stands in it is never taken for another's."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hamlet.errors import RequestError, RunError
from hamlet.files import atomic_write


def claim(out: Path, file: str, wanted: Mapping[str, Any], kind: str) -> None:
    """Write down what a directory is for, or make sure that it was for the same.

    Args:
        out: The directory.
        file: Its file of that.
        wanted: What is asked for, as JSON.
        kind: "grid" or "sweep", for a person.

    Raises:
        RequestError: If it is for something else, or holds something else.
        RunError: If it cannot be written.
    """
    path = out / file
    if path.exists():
        try:
            claimed = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RequestError(
                f"{path} cannot be read: {atomic_write.one_line(error)}; choose another --out"
            ) from error
        other = [name for name in wanted if not isinstance(claimed, dict) or claimed.get(name) != wanted[name]]
        if other:
            raise RequestError(f"{out} holds a {kind} with other {other[0]}: choose another --out")
        return
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise RequestError(f"{out} is not empty and holds no {kind}: choose another --out")
        out.mkdir(parents=True, exist_ok=True)
        atomic_write.write(path, json.dumps(wanted, indent=1) + "\n")
    except OSError as error:
        raise RunError(f"{out} cannot be written: {atomic_write.one_line(error)}") from error
