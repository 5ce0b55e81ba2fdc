"""Reserve an output directory for one grid or sweep, so that results of different requests are never mixed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hamlet.errors import RequestError, RunError
from hamlet.files import atomic_write


def claim(out: Path, file: str, wanted: Mapping[str, Any], kind: str) -> None:
    """Write the request into the directory, or check that the directory already belongs to the same request.

    Args:
        out: The directory.
        file: The name of the file in ``out`` that stores the request.
        wanted: The request, as a JSON object.
        kind: "grid" or "sweep", for the error messages.

    Raises:
        RequestError: If the directory belongs to a different request, or contains other files.
        RunError: If the directory cannot be written.
    """
    path = out / file
    if path.exists():
        try:
            claimed = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RequestError(f"cannot read {path}: {atomic_write.one_line(error)}; choose another --out") from error
        other = [name for name in wanted if not isinstance(claimed, dict) or claimed.get(name) != wanted[name]]
        if other:
            raise RequestError(f"{out} contains a {kind} with a different value of {other[0]}: choose another --out")
        return
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise RequestError(f"{out} is not empty and contains no {kind}: choose another --out")
        out.mkdir(parents=True, exist_ok=True)
        atomic_write.write(path, json.dumps(wanted, indent=1) + "\n")
    except OSError as error:
        raise RunError(f"cannot write {out}: {atomic_write.one_line(error)}") from error
