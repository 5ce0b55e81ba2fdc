"""Let a trained team play in the original MPE environments of the package mpe2.

    python examples/play_in_mpe2.py RUN [--episodes 10]

RUN is the directory of a run on one of the three MPE tasks. The program needs the extra ``mpe``.
"""

import argparse

from mpe2 import simple_reference_v3, simple_speaker_listener_v4, simple_spread_v3

import hamlet
from hamlet.training.run import SavedRun

TASKS = {
    "SimpleSpread": simple_spread_v3,
    "SimpleReference": simple_reference_v3,
    "SimpleSpeakerListener": simple_speaker_listener_v4,
}


def play(policy: hamlet.Policy, env, seed: int) -> float:
    """Play one episode, and return the sum of all agents' rewards."""
    total = 0.0
    observations, _ = env.reset(seed=seed)
    policy.reset()
    while env.agents:
        present = {name: observations[name] for name in env.agents}
        observations, rewards, *_ = env.step(policy.act(present))
        total += sum(rewards.values())
    return total


def main() -> None:
    """Load the policy, play episodes, and print the mean return."""
    parser = argparse.ArgumentParser(description="Play episodes in mpe2 with the policy of a run.")
    parser.add_argument("run", help="the directory of a run")
    parser.add_argument("--episodes", type=int, default=10, help="number of episodes")
    given = parser.parse_args()

    trained_on = SavedRun(given.run).environment
    env = TASKS[type(trained_on).__name__].parallel_env(continuous_actions=trained_on.continuous)
    policy = hamlet.load_policy(given.run)
    returns = [play(policy, env, seed) for seed in range(given.episodes)]
    print(f"mean team return of {len(returns)} episodes: {sum(returns) / len(returns):.2f}")


if __name__ == "__main__":
    main()
