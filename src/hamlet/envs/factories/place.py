"""The place of a factory: the module and name under which another process finds a function that makes environments.

Workers import this file, so it uses only the standard library.
"""

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from hamlet import extras
from hamlet.envs.conversion import Broken
from hamlet.errors import RequestError
from hamlet.nearest import suggestion

# The names of scripts. Another process imports a script under another name, or cannot import it.
_MAIN = ("__main__", "__mp_main__")


def place_of(factory: Callable[..., Any] | str) -> str:
    """Return the place under which another process finds a factory: ``package.module:function``.

    Raises:
        RequestError: Another process cannot find it.

    >>> import fractions
    >>> place_of(fractions.Fraction)
    'fractions:Fraction'
    """
    if isinstance(factory, str):
        module, colon, name = factory.partition(":")
        if not (colon and all(part.isidentifier() for part in [*module.split("."), *name.split(".")])):
            raise RequestError(
                f"{factory!r} is not a factory: write MODULE:FACTORY, as in mpe2.simple_spread_v3:parallel_env"
            )
        return factory
    if not callable(factory):
        raise RequestError(f"the factory must be a function that makes an environment, got a {type(factory).__name__}")
    module, name = (getattr(factory, key, "") or "" for key in ("__module__", "__qualname__"))
    if module not in _MAIN and _at(module, name) is factory:
        return f"{module}:{name}"
    # PettingZoo's parallel_env functions are defined inside other functions, so only their modules can name them.
    for module, holder in sorted(sys.modules.items(), key=lambda item: (len(item[0]), item[0])):
        names = vars(holder).items() if module not in _MAIN and isinstance(holder, ModuleType) else ()
        for name, value in list(names):
            if value is factory and name.isidentifier():
                return f"{module}:{name}"
    label = getattr(factory, "__qualname__", "") or type(factory).__name__
    raise RequestError(
        f"another process cannot import the factory {label}: define it at the top level of a module, and give its "
        "options as keywords"
    )


def find(place: str) -> Callable[..., Any]:
    """Import the factory at ``package.module:function`` in this process.

    Raises:
        Broken: The module does not exist, or it has no such name.
    """
    module, _, names = place.partition(":")
    try:
        target: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in extras.PACKAGES and not extras.installed(package):
            raise Broken(extras.absent(package, place)) from None
        # An import error inside the module itself is raised with its own place.
        if error.name is None or not (module + ".").startswith(error.name + "."):
            raise
        raise Broken(f"there is no module {error.name}") from None
    for name in names.split("."):
        if not hasattr(target, name):
            raise Broken(f"the module {module} has no {name}{suggestion(name, dir(target), '{}')}")
        target = getattr(target, name)
    return target


def _at(module: str, name: str) -> Any:
    target: Any = sys.modules.get(module)
    for part in name.split("."):
        target = getattr(target, part, None)
    return target
