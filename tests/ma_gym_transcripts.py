"""What ma-gym itself does in whole episodes, kept in ``ma_gym.npz``.

    python3.11 -m venv V && V/bin/pip install "setuptools<66" "wheel<0.40"
    V/bin/pip install --no-build-isolation ma-gym==0.0.14 && V/bin/python tests/ma_gym_transcripts.py

writes the file anew. ma-gym needs a gym of 2021 that no longer builds as others do, so that the tests read the file.
With a pay of 5, which ma-gym had in 2019, they are those of 0.0.14 with its table of rewards changed. What lies in
every cell is kept as ma-gym coded it then, so that what was seen then can be made of it.
"""

from collections import deque
from pathlib import Path

import numpy as np

RECORD = Path(__file__).with_name("ma_gym.npz")
STEPS = 3000
# Names of transcripts, and what is made for them.
CHECKERS = {"checkers-5": 5, "checkers-10": 10}
SWITCH = {f"switch-{agents}": agents for agents in (2, 3, 4)}
# Best play, found by exhaustive search: the first episode of each. A digit is an agent's move, a word a step.
FRUITS = (
    "00 10 30 22 01 01 03 03 02 20 10 10 12 31 01 01 01 23 23 00 00 10 10 12 31 01 01 01 23 23 00 00 10 10 00 20 20"
)
PLANS = {
    "checkers-5": FRUITS,
    "checkers-10": FRUITS,
    "switch-2": "00 30 30 30 30 22 31 01 01 01 01 02",
    "switch-3": "000 302 303 303 303 203 303 020 010 010 010 010 010 020",
    "switch-4": "0000 3020 3030 3230 3030 3130 2032 0001 0001 0101 0101 0100 0101 0100 0200",
}


def play(env, seed, plan):
    """An episode of best play, then whole ones of random moves, of which the agents prefer some in each episode."""
    random, rows, over, first = np.random.default_rng(seed), [], True, None
    leaning, greed, best = np.full((env.n_agents, 5), 0.2), 0.0, deque(plan.split())
    while not over or len(rows) < STEPS:
        if over:
            first = hundredths(env.reset())
            leaning = random.dirichlet((0.7,) * 4 + (0.1,), env.n_agents)
            # Some episodes with a purpose: random ones hardly ever arrive, or eat everything.
            greed = random.choice((0.0, 0.5, 0.9))
        moves = [int(move) for move in best.popleft()] if best else drawn(env, random, leaning, greed)
        seen, reward, done, _ = env.step(moves)
        rows.append({"fresh": np.bool_(over)} | brought(env, moves, seen, reward, done))
        over = all(done)
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]} | {"first": first}


def drawn(env, random, leaning, greed):
    """Random moves, some of them with a purpose."""
    return [
        towards(env, agent, random) if random.random() < greed else random.choice(5, p=leaning[agent])
        for agent in range(env.n_agents)
    ]


def towards(env, agent, random):
    """A move that brings an agent of Switch nearer to its goal by way of the corridor, one of Checkers to an apple."""
    row, column = env.agent_pos[agent]
    if hasattr(env, "final_agent_pos"):
        goal = env.final_agent_pos[agent]
        far = abs(column - goal[1]) > 1
        if far and row != 1:
            return 0 if row == 0 else 2
        if column != goal[1]:
            return 3 if goal[1] > column else 1
        return 0 if goal[0] > row else 2 if goal[0] < row else 4
    apples = [place for place in np.ndindex(3, 8) if env._full_obs[place[0]][place[1]] == "R"]
    near = min(apples, key=lambda place: (abs(place[0] - row) + abs(place[1] - column), random.random()))
    ways = [0] * (near[0] > row) + [2] * (near[0] < row) + [3] * (near[1] > column) + [1] * (near[1] < column)
    return random.choice(ways)


def brought(env, moves, seen, reward, done):
    """A step, and what is there after it: where the agents are, what lies where, what is seen."""
    return {
        "moves": np.asarray(moves, np.uint8),
        "position": np.asarray([env.agent_pos[agent] for agent in range(env.n_agents)], np.uint8),
        "cells": cells(env),
        "seen": hundredths(seen),
        "reward": np.asarray(reward, np.float32),
        "done": np.asarray(done, bool),
    }


def cells(env):
    """What lies in every cell: 1 a lemon, 2 an apple, 3 an agent, 0 nothing; of Switch nothing is kept."""
    if hasattr(env, "final_agent_pos"):
        return np.zeros(0, np.uint8)
    return np.asarray([["0YRA".index(item[0]) for item in row] for row in env._full_obs], np.uint8)


def hundredths(seen):
    """Observations, whose numbers have two decimals, as whole hundredths."""
    whole = np.rint(np.asarray(seen) * 100)
    assert np.abs(whole - np.asarray(seen) * 100).max() < 1e-9
    return whole.astype(np.uint8)


def record():
    """All transcripts, by their names and what is kept of each."""
    from ma_gym.envs.checkers import Checkers
    from ma_gym.envs.switch import Switch

    kept = {}
    for seed, (name, pay) in enumerate(CHECKERS.items()):
        env = Checkers(step_cost=-0.01)
        env.agent_reward[0] = {"lemon": -pay, "apple": pay}
        kept |= {f"{name}/{what}": values for what, values in play(env, seed, PLANS[name]).items()}
    for seed, (name, agents) in enumerate(SWITCH.items()):
        env = Switch(step_cost=-0.1, n_agents=agents, clock=False)
        kept |= {f"{name}/{what}": values for what, values in play(env, seed, PLANS[name]).items()}
    return kept


if __name__ == "__main__":
    np.savez_compressed(RECORD, **record())
