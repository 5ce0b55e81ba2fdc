"""Every algorithm on every kind of game, as small as the contract wants it, compiled once."""

import inspect

import jax
import jax.numpy as jnp

import combinations
from hamlet.algorithms import ALGORITHMS
from hamlet.backends.jax_backend import begin_training, compile_program

SMALL = {
    "epochs": 2,
    "critic_epochs": 2,
    "iterations": 3,
    "tries": 3,
    "hidden": (16,),
    "num_envs": 4,
    "sequence_length": 5,
}
# A ring of two rollouts, which overwrites itself in the third; nothing is played to warm up.
REPLAY = {"updates_per_rollout": 4, "batch_size": 20, "buffer_size": 80, "warmup": 0, "duelling_hidden": 16}
# Five episodes at once; longer ones in pieces, of which the third rollout overwrites the first.
EPISODES = {"batch_size": 5, "buffer_size": 20, "episode_length": 4, "rnn_size": 0}


def settings(name):
    """Those of a small run that an algorithm has."""
    known = inspect.signature(ALGORITHMS[name]).parameters
    sizes = SMALL | REPLAY | (EPISODES if "episode_length" in known else {})
    return {key: value for key, value in sizes.items() if key in known}


class SmallRun:
    """One algorithm on one game, compiled once."""

    def __init__(self, name, game):
        played = combinations.GAMES[game]
        self.name, self.game, self.env = name, game, played.env
        extra = {"rnn_size": 8} if combinations.remembers(name, game) else {}
        extra |= {"sharing": "group"} if played.sharing else {}
        self.algorithm = ALGORITHMS[name](**(settings(name) | extra), rollout_length=10)
        # Traced once, for what a state is like and for making one.
        begun = jax.jit(lambda seed: begin_training(self.algorithm, self.env, seed)).trace(jnp.uint32(0))
        self.outline, self._begin = begun.out_info, begun.lower().compile()
        self.program = compile_program(self.algorithm, self.env, self.outline, jax.devices()[:1])

    def begin(self, seed=0):
        return self._begin(jnp.uint32(seed))

    def run(self, training, *counts):
        """So many iterations in each of some calls; leaves its argument as it is."""
        infos = []
        training = self.program.place(training)
        for count in counts:
            training, info = self.program.call(training, jnp.int32(count), jnp.int32(8))
            infos += [jax.tree.map(lambda leaf, k=k: leaf[k], info) for k in range(count)]
        return training, infos
