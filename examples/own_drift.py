"""A drift functional of one's own: checked, trained with, judged.

    python examples/own_drift.py [--steps 1000000]

The drift must stand in a module that can be imported, so that the run's config.json can name it. To go on with the run,
let Python find the module: ``PYTHONPATH=examples hamlet resume runs/own-drift --steps 2M``.
"""

import argparse
from dataclasses import dataclass

import jax.numpy as jnp

import hamlet


@dataclass(frozen=True)
class LogDrift:
    """𝔇 = w (log r)² / 2: to second order w times KL(π‖π̄), and as steep for a ratio of ½ as for one of 2.

    Attributes:
        weight: w > 0, per squared nat.
    """

    weight: float = 1.0

    def __call__(self, ratio, corrected, old, new):
        """One term for each sample; ``old`` and ``new``, the distributions themselves, are not needed here."""
        return 0.5 * self.weight * jnp.log(ratio) ** 2


def main() -> None:
    """Check, train, judge."""
    parser = argparse.ArgumentParser(description="Train HAPPO with another drift.")
    parser.add_argument("--steps", type=int, default=1_000_000, help="environment steps")
    parser.add_argument("--num-envs", type=int, default=20, help="environment copies")
    parser.add_argument("--hidden", type=int, default=128, help="width of both hidden layers")
    parser.add_argument("--out", default="runs/own-drift", help="the directory of the run")
    given = parser.parse_args()

    hamlet.testing.check_drift(LogDrift())
    happo = hamlet.algorithms.happo(num_envs=given.copies, hidden=(given.hidden, given.hidden))
    algorithm = hamlet.replace(happo, drift=LogDrift(weight=3.0))
    env = hamlet.envs.make("mpe/simple_spread", continuous=False)
    hamlet.train(algorithm, env, steps=given.steps, out=given.out)
    print(hamlet.evaluate(given.out, episodes=100).summary())


if __name__ == "__main__":
    # Not as __main__, which no other process could import.
    import own_drift

    own_drift.main()
