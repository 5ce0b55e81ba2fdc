"""Reads the descriptions of parameters and attributes from docstrings."""

import inspect
import re
from collections.abc import Callable
from typing import Any


def descriptions(target: Callable[..., Any]) -> dict[str, str]:
    """Return the entries of the Args and Attributes sections of a Google docstring, by name.

    >>> from hamlet.algorithms import happo
    >>> descriptions(happo)["num_envs"]
    'Number of parallel copies of the environment.'
    """
    lines = inspect.cleandoc(target.__doc__ or "").splitlines()
    by_name: dict[str, str] = {}
    inside, name = False, ""
    for line in lines:
        if line and not line.startswith(" "):
            inside = line.strip() in ("Args:", "Attributes:")
        elif inside and (entry := re.match(r" {4}(\w+)(?: \(.*?\))?: (.*)", line)):
            name = entry[1]
            by_name[name] = entry[2].strip()
        elif inside and line.strip() and name:
            by_name[name] += " " + line.strip()
    return by_name
