"""What docstrings say of parameters and attributes, by name."""

import inspect
import re
from collections.abc import Callable
from typing import Any


def descriptions(target: Callable[..., Any]) -> dict[str, str]:
    """What the Args or Attributes of a Google docstring say, by name.

    >>> from hamlet.algorithms import happo
    >>> descriptions(happo)["num_envs"]
    'Copies of the environment that are stepped together.'
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
