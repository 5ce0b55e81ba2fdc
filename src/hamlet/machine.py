"""What this machine has, wherever Python runs on POSIX: cores and memory.

Linux tells more than POSIX asks for; elsewhere, as on macOS, the nearest that is known is taken.
"""

import os
import resource
import sys


def cores() -> int:
    """Cores that this process may use, which in a container or a batch job are fewer than the machine has.

    Where the system does not say which those are (macOS), all of the machine.

    >>> cores() >= 1
    True
    """
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed is not None else os.cpu_count() or 1


def memory() -> int | None:
    """Bytes of the machine's memory; None where the system does not say."""
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None
    return size if size > 0 else None


def peak_memory() -> int:
    """Bytes that this process has held at most: macOS counts bytes, all others units of 1,024.

    >>> peak_memory() > 2**20
    True
    """
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
