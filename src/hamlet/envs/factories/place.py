"""Where a factory is: a function of a module that makes environments, as another process finds it.

Workers import this file: it needs the standard library alone.
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

# Scripts, which another process imports as another module or not at all.
_MAIN = ("__main__", "__mp_main__")


def place_of(factory: Callable[..., Any] | str) -> str:
    """Where another process finds a factory: ``package.module:function``.

    Raises:
        RequestError: It finds it nowhere.

    >>> import fractions
    >>> place_of(fractions.Fraction)
    'fractions:Fraction'
    """
    if isinstance(factory, str):
        module, colon, name = factory.partition(":")
        if not (colon and all(part.isidentifier() for part in [*module.split("."), *name.split(".")])):
            raise RequestError(
                f"{factory!r} names no environment: write MODULE:FACTORY, as in mpe2.simple_spread_v3:parallel_env"
            )
        return factory
    if not callable(factory):
        raise RequestError(
            f"the factory is a {type(factory).__name__}, which makes no environments; give the function that makes one"
        )
    module, name = (getattr(factory, key, "") or "" for key in ("__module__", "__qualname__"))
    if module not in _MAIN and _at(module, name) is factory:
        return f"{module}:{name}"
    # PettingZoo's own parallel_env are made within functions: only the modules that hold them can name them.
    for module, holder in sorted(sys.modules.items(), key=lambda item: (len(item[0]), item[0])):
        names = vars(holder).items() if module not in _MAIN and isinstance(holder, ModuleType) else ()
        for name, value in list(names):
            if value is factory and name.isidentifier():
                return f"{module}:{name}"
    label = getattr(factory, "__qualname__", "") or type(factory).__name__
    raise RequestError(
        f"the factory {label} cannot be sent to another process: put it in a module, at its top level, and give its "
        "options as keywords"
    )


def find(place: str) -> Callable[..., Any]:
    """The factory at ``package.module:function``, imported in this process.

    Raises:
        Broken: There is no such module, or none of that name in it.
    """
    module, _, names = place.partition(":")
    try:
        target: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in extras.PACKAGES and not extras.installed(package):
            raise Broken(extras.absent(package, place)) from None
        # What the module itself fails to import is reported with its place.
        if error.name is None or not (module + ".").startswith(error.name + "."):
            raise
        raise Broken(f"there is no module {error.name}") from None
    for name in names.split("."):
        if not hasattr(target, name):
            raise Broken(f"{module} has no {name}{suggestion(name, dir(target), '{}')}")
        target = getattr(target, name)
    return target


def _at(module: str, name: str) -> Any:
    target: Any = sys.modules.get(module)
    for part in name.split("."):
        target = getattr(target, part, None)
    return target
