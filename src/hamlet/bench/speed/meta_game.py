"""Measure the cost of MATRL compared with independent learners: of the meta-game alone, and of the whole iteration."""

import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from hamlet import presets
from hamlet.backends import devices
from hamlet.backends.jax_backend import JaxBackend
from hamlet.envs.mpe.simple_spread import SimpleSpread
from hamlet.games import meta
from hamlet.haml.meta_game import Nash
from hamlet.haml.template import Haml

_AGENTS = (2, 4, 8)
_GAMES = 50


def measure(rounds: int = 7) -> dict[str, Any]:
    """Measure the seconds of one iteration on spread, for 2, 4 and 8 agents, with the paper's grid-world settings.

    Four programs are timed alternately, so that changes of the machine's speed affect all of them:

    * independent learners;
    * independent learners with as many gradient steps as MATRL's predictions and responses together;
    * MATRL;
    * the meta-game alone: payoffs, equilibrium and mixture, from random ratios and advantages of the batch's size. One
      call computes 50 such games.
    """
    return {f"{agents} agents": _one(agents, rounds) for agents in _AGENTS}


def _one(agents: int, rounds: int) -> dict[str, Any]:
    env, find = SimpleSpread(agents=agents), presets.find
    alone, matrl = find("paper/matrl/grid", "il")(), find("paper/matrl/grid", "matrl")()
    steps = matrl.neighbourhood.epochs + matrl.scheme.prediction.neighbourhood.epochs
    longer = dataclasses.replace(alone, neighbourhood=dataclasses.replace(alone.neighbourhood, epochs=steps))
    timed = {
        "independent": _iteration(alone, env),
        "independent_same_gradient_steps": _iteration(longer, env),
        "matrl": _iteration(matrl, env),
        "meta_game": _meta_game(agents, alone.sampling.batch, matrl.scheme.clip),
    }
    spent: dict[str, list[float]] = {name: [] for name in timed}
    for number in range(rounds + 1):
        for name, once in timed.items():
            seconds = once(number)
            if number:  # the first compiles
                spent[name].append(seconds)

    def over(numerator: str, denominator: str) -> float:
        return statistics.median(a / b for a, b in zip(spent[numerator], spent[denominator], strict=True))

    return {
        "seconds": spent,
        "meta_game_over_independent": over("meta_game", "independent"),
        "matrl_over_independent_with_its_gradient_steps": over("matrl", "independent_same_gradient_steps"),
        "matrl_over_independent": over("matrl", "independent"),
    }


def _iteration(algorithm: Haml, env: SimpleSpread) -> Callable[[int], float]:
    """Return a function that runs five iterations, and returns the seconds per iteration."""
    place = JaxBackend(env)
    program = place.compile(algorithm, devices.select(None), 0)
    held = [program.place(place.begin(algorithm)(0))]

    def once(number: int) -> float:
        began = time.perf_counter()
        held[0], _ = program.call(held[0], jnp.int32(5), jnp.int32(1_000_000))
        jax.block_until_ready(held[0])
        return (time.perf_counter() - began) / 5

    return once


def _meta_game(agents: int, batch: int, clip: float) -> Callable[[int], float]:
    """Return a function that times the computation between predictions and responses, and returns seconds per game.

    The games are random, and many of them have no pure equilibrium.
    """

    def one(key: Any) -> Any:
        ratio_key, advantage_key, solve_key = jax.random.split(key, 3)
        ratio = jnp.exp(0.1 * jax.random.normal(ratio_key, (agents, batch)))
        game = meta.payoffs(jnp.clip(ratio, 1 - clip, 1 + clip), jax.random.normal(advantage_key, (agents, batch)))
        keep = Nash()(game, solve_key)
        mixed = jnp.clip(meta.mixture(ratio, keep), 1 - clip, 1 + clip)
        return meta.of_the_others(mixed).sum()

    games = jax.jit(lambda keys: jax.lax.map(one, keys).sum())

    def once(number: int) -> float:
        keys = jax.random.split(jax.random.key(number), _GAMES)
        began = time.perf_counter()
        jax.block_until_ready(games(keys))
        return (time.perf_counter() - began) / _GAMES

    return once
