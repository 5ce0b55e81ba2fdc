"""A process that carries out one unit of a grid: told which on its input, tells on its output what failed.

It ends as soon as its input does, so that nothing trains on when the process that began it was killed.
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
    """Read a unit, carry it out."""
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
        return {"stopped": str(error) or "stopped as asked"}
    except RunError as error:
        return {"failures": {str(seed): str(error) for seed in unit.seeds}}


def _end_with_input() -> None:
    while os.read(0, 1024):  # not through sys.stdin, whose lock would be held when this process ends
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
