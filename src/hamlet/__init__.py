"""Hamlet: heterogeneous-agent mirror learning in JAX.

>>> import hamlet
>>> hamlet.algorithms.happo(clip=0.1).drift
ClipDrift(epsilon=0.1)
>>> hamlet.envs.make("mpe/simple_spread", continuous=False).groups[0].names
('agent_0', 'agent_1', 'agent_2')
"""

__version__ = "0.1.0"

from dataclasses import replace

from hamlet import algorithms, envs, games, presets, tabular, testing
from hamlet.api import Run, resume, runs, train
from hamlet.errors import RequestError, RunError
from hamlet.evaluation.evaluate import Evaluation
from hamlet.outcomes import crossplay, evaluate, export, load_policy, report
from hamlet.policy import Policy
from hamlet.video.record import record

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
    "presets",
    "record",
    "replace",
    "report",
    "resume",
    "runs",
    "tabular",
    "testing",
    "train",
]
