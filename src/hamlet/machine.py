"""The cores and the memory of this machine, on any POSIX system.

Linux provides exact values. Other systems, such as macOS, lack some of them; there the functions return the closest
value that is available.
"""

import os
import resource
import sys


def cores() -> int:
    """Return the number of cores that this process may use.

    In a container or a batch job, this may be fewer than the machine has. If the system does not report the number
    (macOS), the function returns all cores of the machine.

    >>> cores() >= 1
    True
    """
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed is not None else os.cpu_count() or 1


def memory() -> int | None:
    """Return the machine's memory in bytes; None if the system does not report it."""
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None
    return size if size > 0 else None


def peak_memory() -> int:
    """Return the peak memory of this process in bytes.

    macOS reports the peak in bytes; other systems report it in units of 1,024 bytes.

    >>> peak_memory() > 2**20
    True
    """
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
