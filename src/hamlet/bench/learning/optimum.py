"""Compute an upper bound on the return of any policy on speaker-listener, to compare learned returns with.

The forces u₀, u₁, … move the listener to the positions  pₜ = p₀ + Σₖ Aₜₖ uₖ,  which are linear in the forces. p₀ is the
initial position, and A is given by `reach`. Assume that the listener knows the goal y from the start. Then the best
return of an episode is the solution of a convex problem in 2 · 25 numbers:

    maximise  −2 Σₜ |pₜ − y|²      over  |uₖ|∞ ≤ 1  (continuous)   or   |uₖ|₁ ≤ 1  (discrete, the hull of its moves).

Accelerated projected gradient descent solves the problem. The Frank–Wolfe gap  max over s of  ⟨∇, u − s⟩  bounds the
distance of its result from the optimum; ∇ is the gradient of the cost, and s ranges over the allowed forces.

In the game, the listener receives the speaker's message only after its first move. If the first move is the same for
all three goals, which are equally probable, the mean over the goals is an upper bound on the expected return.

For discrete moves the convex hull is a relaxation, so its solution is an upper bound on the return. The return of
actual moves, which are found by descent over pairs of moves, is a lower bound on the best return.

References: Beck and Teboulle, 2009, doi:10.1137/080716542 (acceleration); Jaggi, 2013, ICML (the gap).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from hamlet.bench.learning.mpe import FIRST_SEED, parallel
from hamlet.envs.mpe import particles
from hamlet.envs.mpe.simple_speaker_listener import SimpleSpeakerListener

ENVIRONMENT = "mpe/simple_speaker_listener"
AGENTS = 2
# Stay, left, right, down, up: the order of `hamlet.envs.mpe.particles.chosen`.
MOVES = np.array([[0, 0], [-1, 0], [1, 0], [0, -1], [0, 1]], float)

Way = Float[np.ndarray, "N G 2"]
Forces = Float[np.ndarray, "N G T 2"]


@dataclass(frozen=True)
class MoveKind:
    """The allowed forces of one kind of actions, in units of the strongest force.

    Attributes:
        project: A function that projects forces onto the nearest allowed forces.
        most: A function that returns the largest ⟨gradient, force⟩ over the allowed forces. The vectors are on the last
            axis.
    """

    project: Callable[[np.ndarray], np.ndarray]
    most: Callable[[np.ndarray], np.ndarray]


def _onto_diamond(force: np.ndarray) -> np.ndarray:
    """Return the nearest point with |x| + |y| ≤ 1."""
    size = np.abs(force)
    excess = np.maximum((size.sum(-1) - 1) / 2, 0.0)
    # If the smaller number would change its sign, the nearest point has 0 there, and ±1 at the larger number.
    excess = np.where(size.min(-1) < excess, size.max(-1) - 1, excess)
    return np.sign(force) * np.maximum(size - np.maximum(excess, 0.0)[..., None], 0.0)


KINDS = {
    "continuous": MoveKind(lambda force: np.clip(force, -1, 1), lambda gradient: np.abs(gradient).sum(-1)),
    "discrete": MoveKind(_onto_diamond, lambda gradient: np.abs(gradient).max(-1)),
}


@cache
def reach(steps: int) -> Float[np.ndarray, "T T"]:
    """Return the matrix A: Aₜₖ is how far a force of one at step k has moved the listener after step t."""
    displacement = np.zeros((steps, steps))
    for pushed in range(steps):
        position = velocity = 0.0
        for step in range(steps):
            position += particles.INTERVAL * velocity
            velocity *= 1 - particles.DAMPING
            velocity += particles.INTERVAL * particles.SENSITIVITY * (step == pushed)
            displacement[step, pushed] = position
    return displacement


def costs(way: Way, forces: Forces) -> Float[np.ndarray, "N G"]:
    """Return the costs Σₜ |pₜ − y|², where pₜ is the position at step t, y the goal, and ``way`` is p₀ − y."""
    return np.square(_away(way, forces)).sum((-1, -2))


def _away(way: Way, forces: Forces) -> np.ndarray:
    return way[:, :, None] + reach(forces.shape[2]) @ forces


def relaxed(kind: str, way: Way, *, steps: int, blind: int = 0, tries: int) -> tuple[Forces, np.ndarray]:
    """Return the best forces of each episode, and a bound on their distance from the optimum.

    The bound is on the sum of an episode's costs over its goals, minus the least sum.

    Args:
        kind: The kind of actions, "continuous" or "discrete".
        way: For each episode and goal, the vector from the goal to the listener's initial position.
        steps: The number of steps of an episode.
        blind: The number of first forces that must be the same for all goals of an episode.
        tries: The number of steps of the descent.
    """
    allowed, displacement = KINDS[kind], reach(steps)
    rate = 1 / (2 * np.linalg.norm(displacement, 2) ** 2)

    def gradient(forces: Forces) -> Forces:
        return 2 * displacement.T @ _away(way, forces)

    def nearest(forces: Forces) -> Forces:
        forces[:, :, :blind] = forces[:, :, :blind].mean(1, keepdims=True)
        return allowed.project(forces)

    forces = ahead = np.zeros((*way.shape[:2], steps, 2))
    momentum = 1.0
    for _ in range(tries):
        following, grown = nearest(ahead - rate * gradient(ahead)), (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = following + (momentum - 1) / grown * (following - forces)
        forces, momentum = following, grown
    slope = gradient(forces)
    shared, per_goal = allowed.most(-slope[:, :, :blind].sum(1)), allowed.most(-slope[:, :, blind:])
    return forces, (slope * forces).sum((1, 2, 3)) + shared.sum(1) + per_goal.sum((1, 2))


def moves(way: Way, forces: Forces) -> Int[np.ndarray, "N G T"]:
    """Return discrete moves near the forces, such that changing any two moves does not reduce the cost."""
    _, _, steps, _ = forces.shape
    displacement = reach(steps)
    curve = 2 * displacement.T @ displacement
    actions, owed = np.zeros(forces.shape[:3], int), np.zeros((*forces.shape[:2], 2))
    for step in range(steps):
        owed = owed + forces[:, :, step]
        actions[:, :, step] = np.square(owed[..., None, :] - MOVES).sum(-1).argmin(-1)
        owed = owed - MOVES[actions[:, :, step]]
    for episode, goal in np.ndindex(*way.shape[:2]):
        _descend(way[episode, goal], actions[episode, goal], displacement, curve)
    return actions


def _descend(way: np.ndarray, chosen: np.ndarray, moved: np.ndarray, curve: np.ndarray) -> None:
    """Change, in place, the two moves that reduce the cost the most; repeat until no pair reduces it."""
    # A pair must change two different steps.
    itself = np.eye(len(chosen), dtype=bool)[:, :, None, None]
    while True:
        slope = 2 * moved.T @ (way + moved @ MOVES[chosen])
        change = MOVES[None] - MOVES[chosen][:, None]
        alone = np.einsum("kd,kad->ka", slope, change) + np.diag(curve)[:, None] * np.square(change).sum(-1) / 2
        saved = alone[:, None, :, None] + alone[None, :, None, :]
        saved = saved + curve[:, :, None, None] * np.einsum("kad,lbd->klab", change, change)
        saved = np.where(itself, 0.0, saved)
        first, second, move, other = np.unravel_index(saved.argmin(), saved.shape)
        if saved[first, second, move, other] > -1e-9:
            return
        chosen[first], chosen[second] = move, other


def expected(kind: str, *, nodes: int = 8, tries: int = 1000) -> tuple[float, float]:
    """Return the bound on the return, averaged over all initial states, and the greatest possible error of the bound.

    The bound may be too low by at most this error. The positions of the listener and of the goal are uniform in
    [−1, 1]². So their distance d along an axis has the density (2 − d)/2 on [0, 2]. Signs do not matter. The average is
    an integral over two distances, computed by Gauss–Legendre quadrature.

    Args:
        kind: The kind of actions, "continuous" or "discrete".
        nodes: The number of quadrature points along an axis. 8 and 24 points agree to within 0.002.
        tries: The number of steps of the descent.
    """
    node, weight = np.polynomial.legendre.leggauss(nodes)
    distance, weight = node + 1, weight * (1 - node) / 2
    way = np.stack(np.meshgrid(distance, distance, indexing="ij"), -1).reshape(-1, 1, 2)
    forces, gap = relaxed(kind, way, steps=SimpleSpeakerListener().max_steps, tries=tries)
    return -AGENTS * float(np.outer(weight, weight).ravel() @ costs(way, forces)[:, 0]), AGENTS * float(gap.max())


def measure(*, episodes: int = 200, tries: int = 3000) -> dict[str, Any]:
    """Compute the optimal returns of the evaluation episodes of trained policies.

    For discrete moves, also play the best moves that were found in ``mpe2``, and return their returns.
    """
    start, goals, true = _beginnings(episodes)
    way, steps = start[:, None] - goals, SimpleSpeakerListener().max_steps
    known = np.take_along_axis(way, true[:, None, None], 1)
    summary: dict[str, Any] = {"episodes": episodes}
    for kind in KINDS:
        forces, gap = relaxed(kind, known, steps=steps, tries=tries)
        any_goal = {
            name: -AGENTS * float(costs(way, relaxed(kind, way, steps=steps, blind=blind, tries=tries)[0]).mean())
            for name, blind in (("told_at_once", 0), ("told_after_a_move", 1))
        }
        summary[kind] = {
            "optimum": -AGENTS * float(costs(known, forces).mean()),
            "largest_gap": AGENTS * float(gap.max()),
            "any_goal": any_goal,
            "optima": (-AGENTS * costs(known, forces)[:, 0]).tolist(),
        }
        if kind == "discrete":
            played = _played(moves(known, forces)[:, 0])
            summary[kind] |= {"played_in_mpe2": float(np.mean(played)), "returns": played}
    return summary


def _beginnings(episodes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the listener's initial positions, the positions of the landmarks, and the index of the goal."""
    env, beginnings = parallel(ENVIRONMENT, continuous=False), []
    for episode in range(episodes):
        env.reset(seed=FIRST_SEED + episode)
        world = env.unwrapped.world
        goal = next(n for n, landmark in enumerate(world.landmarks) if landmark is world.agents[0].goal_b)
        beginnings.append((world.agents[1].state.p_pos, [landmark.state.p_pos for landmark in world.landmarks], goal))
    start, goals, true = (np.array(part) for part in zip(*beginnings, strict=True))
    return start, goals, true


def _played(moves: Int[np.ndarray, "N T"]) -> list[float]:
    """Return the team returns in ``mpe2`` of fixed sequences of moves, which do not depend on observations."""
    env, returns = parallel(ENVIRONMENT, continuous=False), []
    for episode, row in enumerate(moves):
        env.reset(seed=FIRST_SEED + episode)
        returns.append(sum(sum(env.step({"speaker_0": 0, "listener_0": int(move)})[1].values()) for move in row))
    return [float(team_return) for team_return in returns]
