"""Check the guarantees of mirror learning on 1,000 random cooperative games, and measure how long this takes."""

import time
from typing import Any

import numpy as np

from hamlet import algorithms, replace, tabular
from hamlet.haml.drift import ClipDrift, KlDrift, SquaredTvDrift, ZeroDrift
from hamlet.tabular.certificate import AT_REST, Certificate, certify

GAMES, SWEEPS, HATRL_SWEEPS = 1000, 300, 50
_DRIFTS = {"zero": ZeroDrift(), "clip": ClipDrift(0.2), "kl": KlDrift(0.5), "squared_tv": SquaredTvDrift()}


def measure() -> dict[str, Any]:
    """Run HAML with four drifts, and HATRL, on all games; the reported seconds include the compilation."""
    began = time.perf_counter()
    certificates = {
        name: certify(replace(algorithms.haa2c(), drift=drift), games=GAMES, sweeps=SWEEPS)
        for name, drift in _DRIFTS.items()
    }
    some = certificates["zero"]
    trusted = tabular.hatrl_many(some.games, some.starts, HATRL_SWEEPS, 0, gap="last")
    rises = np.array([np.diff(history.value).min() for history in trusted])
    return {
        "seconds_for_all": time.perf_counter() - began,
        "games": GAMES,
        "sweeps": SWEEPS,
        "hatrl_sweeps": HATRL_SWEEPS,
        "hatrl_largest_fall": float(np.maximum(-rises, 0.0).max()),
        "haml": {name: _row(certificate) for name, certificate in certificates.items()},
    }


def _row(one: Certificate) -> dict[str, Any]:
    return {
        "largest_fall": float(one.fall.max()),
        "largest_fall_of_a_state": float(one.state_fall.max()),
        "share_at_rest": float((one.gap <= AT_REST).mean()),
        "not_at_rest": {int(number): float(one.gap[number]) for number in np.flatnonzero(one.gap > AT_REST)},
    }
