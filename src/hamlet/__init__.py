"""Hamlet: heterogeneous-agent mirror learning in JAX.

>>> import hamlet
>>> hamlet.algorithms.happo(clip=0.1).drift
ClipDrift(epsilon=0.1)
>>> hamlet.envs.make("mpe/simple_spread", continuous=False).groups[0].names
('agent_0', 'agent_1', 'agent_2')
"""

__version__ = "0.1.0"

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hamlet import algorithms, envs, games, presets, tabular, testing
    from hamlet.api import Run, load_runs, resume, train
    from hamlet.arguments import replace
    from hamlet.errors import RequestError, RunError
    from hamlet.evaluation.evaluate import Evaluation
    from hamlet.outcomes import crossplay, evaluate, export, load_policy, report
    from hamlet.policy import Policy
    from hamlet.video.record import record

# The module that defines each public name; it repeats the imports above, which only type checkers read. A name is
# imported at its first use. So `import hamlet`, which every command runs first, does not import JAX. Submodules need no
# entry here.
_DEFINED_IN = {
    "RequestError": "hamlet.errors",
    "RunError": "hamlet.errors",
    "Evaluation": "hamlet.evaluation.evaluate",
    "Policy": "hamlet.policy",
    **dict.fromkeys(("Run", "load_runs", "resume", "train"), "hamlet.api"),
    **dict.fromkeys(("crossplay", "evaluate", "export", "load_policy", "report"), "hamlet.outcomes"),
    "record": "hamlet.video.record",
    "replace": "hamlet.arguments",
}
__all__ = [
    "Evaluation",
    "Policy",
    "RequestError",
    "Run",
    "RunError",
    "__version__",
    "algorithms",
    "crossplay",
    "envs",
    "evaluate",
    "export",
    "games",
    "load_policy",
    "load_runs",
    "presets",
    "record",
    "replace",
    "report",
    "resume",
    "tabular",
    "testing",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import a public name or a submodule of the package at its first use (PEP 562)."""
    if name in _DEFINED_IN:
        value = getattr(import_module(_DEFINED_IN[name]), name)
    elif name.startswith("_"):
        raise AttributeError(f"module 'hamlet' has no attribute {name!r}")
    else:
        try:
            value = import_module(f"hamlet.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"hamlet.{name}":
                raise
            raise AttributeError(f"module 'hamlet' has no attribute {name!r}") from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return all public names, including the names that are not imported yet."""
    return sorted({*globals(), *__all__})
