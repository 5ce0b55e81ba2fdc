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

# Where each name is defined, as written above for type checkers. It is imported when it is first asked for, so that
# `import hamlet`, on which every command waits, does not wait for JAX. Parts of the package need no line here.
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
    """A name of the package or a part of it, imported when it is first asked for (PEP 562)."""
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
    """The names of the package, those that were not asked for yet among them."""
    return sorted({*globals(), *__all__})
