"""Define your own drift functional, check it, train with it, and evaluate the result.

    python examples/own_drift.py [--steps 1000000]

The drift must be defined in a module that Python can import, because the run's config.json contains its name. To
continue the run, add the module's directory to Python's path:

    PYTHONPATH=examples hamlet resume runs/own-drift --steps 2M
"""

import argparse
from dataclasses import dataclass

import jax.numpy as jnp

import hamlet


@dataclass(frozen=True)
class LogDrift:
    """The drift 𝔇 = w (log r)² / 2, where r = π̄ / π is the ratio of the new policy π̄ to the old policy π.

    To second order, it equals w times KL(π‖π̄). It has the same value for the ratios ½ and 2.

    Attributes:
        weight: The weight w > 0, per squared nat.
    """

    weight: float = 1.0

    def __call__(self, ratio, corrected, old, new):
        """Return the drift of each sample. This drift does not use the distributions ``old`` and ``new``."""
        return 0.5 * self.weight * jnp.log(ratio) ** 2


def main() -> None:
    """Check the drift, train with it, and evaluate the policy."""
    parser = argparse.ArgumentParser(description="Train HAPPO with your own drift.")
    parser.add_argument("--steps", type=int, default=1_000_000, help="number of environment steps")
    parser.add_argument("--num-envs", type=int, default=20, help="number of parallel copies of the environment")
    parser.add_argument("--hidden", type=int, default=128, help="width of the two hidden layers")
    parser.add_argument("--out", default="runs/own-drift", help="the directory of the run")
    given = parser.parse_args()

    hamlet.testing.check_drift(LogDrift())
    happo = hamlet.algorithms.happo(num_envs=given.num_envs, hidden=(given.hidden, given.hidden))
    algorithm = hamlet.replace(happo, drift=LogDrift(weight=3.0))
    env = hamlet.envs.make("mpe/simple_spread", continuous=False)
    hamlet.train(algorithm, env, steps=given.steps, out=given.out)
    print(hamlet.evaluate(given.out, episodes=100).summary())


if __name__ == "__main__":
    # Import the module under its own name: another process could not import LogDrift from __main__.
    import own_drift

    own_drift.main()
