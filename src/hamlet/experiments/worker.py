"""A worker process that runs one unit of a grid. It reads the unit from stdin, and writes the failures to stdout.

The worker ends as soon as its stdin closes. So training does not continue when the parent process was killed.
"""

import contextlib
import json
import os
import sys
import threading
from pathlib import Path

from hamlet.errors import RequestError, RunError
from hamlet.experiments.execute import Unit, patiently
from hamlet.training.loop import Interrupted


def main() -> int:
    """Read a unit from stdin, run it, and print the report as JSON."""
    unit, out = Unit.read(sys.stdin.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    with contextlib.redirect_stdout(sys.stderr):
        report = _carry(unit, out)
    print(json.dumps(report), flush=True)
    return 0


def _carry(unit: Unit, out: Path) -> dict[str, object]:
    try:
        return {"failures": patiently(unit, out, quiet=True)}
    except RequestError as error:
        return {"refused": str(error)}
    except (Interrupted, KeyboardInterrupt) as error:
        return {"stopped": str(error) or "stopped by a request"}
    except RunError as error:
        return {"failures": {str(seed): str(error) for seed in unit.seeds}}


def _end_with_input() -> None:
    while os.read(0, 1024):  # sys.stdin is not used here, because its lock would still be held when this process ends
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
