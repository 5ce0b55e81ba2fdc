"""Measure the training speed of a preset: environment steps per second, and the share of the machine's matrix rate."""

import statistics
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hamlet import machine
from hamlet.backends import devices
from hamlet.backends.iteration import roster_of
from hamlet.backends.jax_backend import JaxBackend, begin_training
from hamlet.bench.baseline.flops import count
from hamlet.bench.baseline.matrix import matrix_rate
from hamlet.envs.base import Environment
from hamlet.errors import RunError
from hamlet.haml.neighbourhood import KlBall
from hamlet.haml.template import Haml, experience
from hamlet.learners import Algorithm, policy
from hamlet.rollouts.rollout import rollout


def measure(algorithm: Algorithm, env: Environment, *, calls: int = 10, seconds: float = 1.0) -> dict[str, Any]:
    """Time compiled training calls, and measure the matrix rate after each of them.

    Args:
        algorithm: The algorithm.
        env: The environment.
        calls: The number of timed calls. Two calls before them are not counted.
        seconds: The approximate duration of a call.

    Returns:
        The raw seconds per iteration, and two results of their median: steps per second and operations per second. The
        share of the matrix rate is the median over the calls of each call's share. A call's share uses the matrix rate
        that was measured directly after the call, so that changes of the machine's speed affect both.

    Raises:
        RunError: If a trust-region algorithm's update is not the published method.
    """
    rates = []
    place = JaxBackend(env)
    program = place.compile(algorithm, devices.select(None), 0)
    training = program.place(place.begin(algorithm)(0))
    infos: dict[str, jax.Array] = {}
    iterations, raw = 1, []
    for call in range(calls + 2):
        began = time.perf_counter()
        training, infos = program.call(training, jnp.int32(iterations), jnp.int32(1_000_000))
        jax.block_until_ready(training)
        spent = (time.perf_counter() - began) / iterations
        if call >= 2:
            raw.append(spent)
            rates.append(matrix_rate(algorithm.sampling.steps_learnt, algorithm.body.hidden[0], repeats=100))
        else:
            iterations = max(1, min(64, round(seconds / spent)))
    metrics = {name: np.asarray(value)[:iterations] for name, value in infos.items()}
    tries = float(metrics["actor/line_search_steps"].mean()) if "actor/line_search_steps" in metrics else 1.0
    flops = count(algorithm, env, tries=tries)
    middle = statistics.median(raw)
    achieved = flops.total * algorithm.sampling.batch / middle
    result = {
        "env_steps_per_second": algorithm.sampling.batch / middle,
        "seconds_per_iteration": raw,
        "env_steps_per_iteration": algorithm.sampling.batch,
        "mflop_per_env_step": flops.total / 1e6,
        "achieved_gflops": achieved / 1e9,
        "matrix_gflops_numpy": statistics.median(rate.numpy for rate in rates) / 1e9,
        "matrix_gflops_jax": statistics.median(rate.jax for rate in rates) / 1e9,
        "matrix_gflops": [rate.best / 1e9 for rate in rates],
        "fraction_of_matrix_rate": statistics.median(
            flops.total * algorithm.sampling.batch / spent / rate.best for spent, rate in zip(raw, rates, strict=True)
        ),
        "compile_seconds": program.compile_seconds,
        "peak_memory_mb": machine.peak_memory() / 2**20,
    }
    if isinstance(algorithm, Haml) and isinstance(algorithm.neighbourhood, KlBall):
        result |= _assert_trust_region(algorithm, env, metrics)
    return result


def _assert_trust_region(algorithm: Haml, env: Environment, infos: dict[str, np.ndarray]) -> dict[str, Any]:
    """Check that the timed update is the published method.

    The properties are: Fisher matrix of the full batch, ten conjugate gradient steps, exact KL divergence, line search.

    Raises:
        RunError: If a property does not hold.
    """
    ball = algorithm.neighbourhood
    assert isinstance(ball, KlBall)
    divergence, recorded = _divergence(algorithm, env)
    claims = {
        "full_batch_fisher": ball.fisher_samples == 0,
        "ten_conjugate_gradient_steps": ball.iterations == 10,
        "exact_kl": bool(np.allclose(divergence, recorded, rtol=1e-3)),
        "line_search": bool((infos["actor/line_search_steps"] >= 1).all() and (infos["actor/kl"] <= ball.radius).all()),
    }
    if failed := [name for name, holds in claims.items() if not holds]:
        raise RunError(f"the timed update is not the published method: {', '.join(failed)} does not hold")
    return claims | {
        "tries": float(infos["actor/line_search_steps"].mean()),
        "rejected": float(infos["actor/line_search_failed"].mean()),
    }


def _divergence(algorithm: Haml, env: Environment) -> tuple[np.ndarray, np.ndarray]:
    """Return each unit's mean KL divergence of one update: computed in float64 from both policies, and as recorded.

    A unit is one set of policy parameters.
    """
    roster, training = roster_of(algorithm, env), begin_training(algorithm, env, 0)

    @jax.jit
    def once(training: Any) -> Any:
        _, trajectory, _ = rollout(
            env,
            roster,
            training.learner.team.actors,
            training.play,
            steps=algorithm.sampling.steps,
            length=algorithm.sampling.length(memory=algorithm.body.memory),
            key=jax.random.key(1),
        )
        after, info, _ = policy.step(
            algorithm, roster, env.state_shape, training.learner, trajectory, jax.random.key(2)
        )
        pairs = []
        for g in range(len(roster.groups)):
            share = experience(roster, g, trajectory, jnp.zeros_like(trajectory.reward))
            evaluate = jax.vmap(lambda actor, share: share.policy(actor))
            pairs.append((evaluate(training.learner.team.actors[g], share), evaluate(after.team.actors[g], share)))
        return pairs, info["kl"]

    pairs, recorded = once(training)
    return np.concatenate([_kl64(*pair) for pair in pairs]), np.asarray(recorded)


def _kl64(old: Any, new: Any) -> np.ndarray:
    if hasattr(old, "log_probs"):
        p, q = (np.asarray(d.log_probs, np.float64) for d in (old, new))
        return (np.exp(p) * (p - q)).sum(-1).mean((1, 2))
    mean, std, mean_, std_ = (np.asarray(x, np.float64) for x in (old.mean, old.std, new.mean, new.std))
    each = np.log(std_ / std) + (std**2 + (mean - mean_) ** 2) / (2 * std_**2) - 0.5
    return each.sum(-1).mean((1, 2))
