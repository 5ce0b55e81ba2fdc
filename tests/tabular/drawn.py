"""Games and policies for the tabular tests."""

import numpy as np

from hamlet.tabular import MarkovGame, random_game, random_policies


def fixture():
    """Two states, two agents, two actions: stay with probability .8 where the actions are equal, else .3."""
    reward = np.array([[[1.0, 0.0], [0.0, 2.0]], [[0.0, 3.0], [1.0, 0.0]]])
    transition = np.zeros((2, 2, 2, 2))
    for s, a, b in np.ndindex(2, 2, 2):
        transition[s, a, b, s] = 0.8 if a == b else 0.3
        transition[s, a, b, 1 - s] = 1 - transition[s, a, b, s]
    return MarkovGame(reward, transition, np.array([0.5, 0.5]), 0.9)


def matrix(table, discount=0.0):
    """A game of one state, from its payoffs."""
    table = np.asarray(table, float)
    return MarkovGame(table[None], np.ones((1, *table.shape, 1)), np.ones(1), discount)


def example_1():
    return matrix([[0.0, 2.0], [2.0, -1.0]])


def example_2(agents):
    """1 where the first half of the agents choose one action and the others the other."""
    table = np.zeros((2,) * agents)
    half = agents // 2
    table[(0,) * half + (1,) * half] = table[(1,) * half + (0,) * half] = 1.0
    return matrix(table)


def climbing():
    """Both choose the first for 8; who does so alone costs the team 12; all else is worth 0."""
    return matrix([[8.0, -12.0, -12.0], [-12.0, 0.0, 0.0], [-12.0, 0.0, 0.0]])


def sizes(seed):
    """2–5 states, 2–3 agents, 2–4 actions."""
    draw = np.random.default_rng(seed)
    return int(draw.integers(2, 6)), tuple(int(a) for a in draw.integers(2, 5, size=draw.integers(2, 4)))


def many(count, *, first=0, common=True, discount=0.9):
    """Random games of all sizes, and random policies in them."""
    games = []
    for seed in range(first, first + count):
        states, actions = sizes(seed)
        games.append(random_game(seed, states, actions, discount, common))
    return games, [random_policies(first + number, game) for number, game in enumerate(games)]
