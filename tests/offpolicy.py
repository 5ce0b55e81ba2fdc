"""Algorithms that learn from replayed steps, as small as tests want them."""

import inspect
from importlib import import_module

from hamlet.algorithms import ALGORITHMS

COPIES, STEPS, UPDATES = 4, 12, 4
BATCH = COPIES * STEPS
# A ring of three rollouts, which begins to overwrite itself in the fourth; the first is played to warm up.
SMALL = {
    "hidden": (16,),
    "copies": COPIES,
    "steps_per_rollout": STEPS,
    "updates_per_rollout": UPDATES,
    "batch_size": 32,
    "buffer_size": 3 * BATCH,
    "warmup": BATCH,
}
NAMES = [name for name, factory in ALGORITHMS.items() if "buffer_size" in inspect.signature(factory).parameters]


def remembering(name="hatd3", **settings):
    """One of them."""
    return getattr(import_module(f"hamlet.algorithms.{name}"), name)(**(SMALL | settings))
