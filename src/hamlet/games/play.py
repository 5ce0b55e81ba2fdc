"""Learning dynamics: fictitious play and the replicator dynamics, as compiled scans of one game.

They need not converge to an equilibrium; the regret of every step shows how far they are from one.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hamlet.errors import require
from hamlet.games.payoffs import checked
from hamlet.games.search import action_values, regret

Joint = tuple[Float[Array, " _"], ...]


class Course(NamedTuple):
    """The joint strategies of a learning process over time.

    Attributes:
        strategies: Each player's probabilities after every step, ``[steps, actions]``.
        regrets: The largest gain of a player that deviates alone, after every step.
    """

    strategies: tuple[np.ndarray, ...]
    regrets: np.ndarray


def fictitious_play(payoffs: object, steps: int, start: tuple[int, ...] | None = None) -> Course:
    """Run fictitious play: all players simultaneously take a best response to the other players' action frequencies.

    A player's first action, given by ``start``, counts as one action. The strategies are the relative frequencies of
    all actions so far. Among equally good responses the first is taken. In zero-sum games of two players the regret
    converges to zero (Robinson, 1951).

    Args:
        payoffs: ``payoffs[i][c₁, …, cₙ]``.
        steps: Number of responses after the first actions.
        start: Every player's first action; None for action 0.

    Raises:
        RequestError: If the payoffs are not a valid game, or the start is not a profile of its actions.

    >>> rock = [[0, -1, 1], [1, 0, -1], [-1, 1, 0]]
    >>> course = fictitious_play([rock, [[-x for x in row] for row in rock]], 9)
    >>> round(float(course.regrets[-1]), 6)
    0.2
    """
    game = checked(payoffs)
    actions = game.shape[1:]
    first = (0,) * len(actions) if start is None else tuple(start)
    right = len(first) == len(actions) and all(0 <= action < most for action, most in zip(first, actions, strict=False))
    require(right, f"start must have one action per player, of {' x '.join(map(str, actions))}, got {first}")
    _check_steps(steps)
    counts = [np.eye(most)[action] for action, most in zip(first, actions, strict=True)]
    return _course(_fictitious, game, counts, steps)


def replicator(payoffs: object, steps: int, start: object = None, *, width: float = 0.01) -> Course:
    """Run the replicator dynamics: ẋᵢ(k) = xᵢ(k) (uᵢ(k, x₋ᵢ) − uᵢ(x)).

    xᵢ(k) is the probability of player i's action k, and uᵢ is its expected payoff. The probability of an action grows
    in proportion to the action's advantage over the average. With x the softmax of y this is ẏ = u, which is integrated
    by fourth-order Runge-Kutta steps.

    Args:
        payoffs: ``payoffs[i][c₁, …, cₙ]``.
        steps: Number of steps.
        start: Each player's probabilities, all above zero; None for uniform ones.
        width: Time of one step.

    Raises:
        RequestError: If the payoffs are not a valid game, or the start is not such probabilities.
    """
    game = checked(payoffs)
    _check_steps(steps)
    require(width > 0, f"the width of a step must be above 0, got {width}")
    even = [np.full(most, 1 / most) for most in game.shape[1:]]
    strategies = even if start is None else [np.asarray(strategy, np.float64) for strategy in start]  # type: ignore[attr-defined]
    right = [strategy.shape for strategy in strategies] == [strategy.shape for strategy in even]
    require(
        right and all(bool(np.all(strategy > 0)) and bool(abs(strategy.sum() - 1) < 1e-6) for strategy in strategies),
        f"start must have a distribution without zeros per player, over {' x '.join(map(str, game.shape[1:]))} actions",
    )
    return _course(partial(_replicator, width=width), game, [np.log(strategy) for strategy in strategies], steps)


def _check_steps(steps: int) -> None:
    require(steps >= 1, f"steps must be at least 1, got {steps}")


def _course(rule, game: Float[np.ndarray, " n *actions"], start: list[np.ndarray], steps: int) -> Course:
    with jax.enable_x64(True):
        strategies, regrets = _moved(rule, jnp.asarray(game), tuple(map(jnp.asarray, start)), steps)
        return Course(tuple(np.asarray(strategy) for strategy in strategies), np.asarray(regrets))


@partial(jax.jit, static_argnames=("rule", "steps"))
def _moved(rule, game: Float[Array, " n *actions"], start: Joint, steps: int):
    return jax.lax.scan(lambda state, _: rule(game, state), start, None, length=steps)[1]


def _fictitious(game: Float[Array, " n *actions"], counts: Joint) -> tuple[Joint, tuple[Joint, Array]]:
    # Counts are used instead of frequencies, because whole numbers keep equally good responses exactly equal.
    answers = action_values(game, counts)
    after = tuple(
        tally + jax.nn.one_hot(jnp.argmax(each), len(tally), dtype=tally.dtype)
        for tally, each in zip(counts, answers, strict=True)
    )
    now = tuple(tally / jnp.sum(tally) for tally in after)
    return after, (now, regret(game, now))


def _replicator(game: Float[Array, " n *actions"], logits: Joint, *, width: float) -> tuple[Joint, tuple[Joint, Array]]:
    def speed(at: Joint) -> Joint:
        return action_values(game, tuple(map(jax.nn.softmax, at)))

    def moved(along: Joint, time: float) -> Joint:
        return jax.tree.map(lambda logit, rate: logit + time * rate, logits, along)

    single = speed(logits)
    two = speed(moved(single, width / 2))
    three = speed(moved(two, width / 2))
    four = speed(moved(three, width))
    mean = jax.tree.map(lambda a, b, c, d: (a + 2 * b + 2 * c + d) / 6, single, two, three, four)
    after = tuple(jax.nn.log_softmax(player_logits) for player_logits in moved(mean, width))
    now = tuple(map(jnp.exp, after))
    return after, (now, regret(game, now))
