"""Check an environment in JAX before any training, and report the first problem or useful facts.

The check plays some episodes in one environment copy with random available actions, compiled as in training.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hamlet.distributions import even, noise
from hamlet.envs.base import Environment, Outcome, View
from hamlet.roster import Group
from hamlet.spaces import Box, Composite, Discrete, MultiDiscrete

# The tolerance for the bounds of a Box, in units of its width.
_SLACK = 1e-5
_SPACES = (Box, Composite, Discrete, MultiDiscrete)


class UnfitEnvironment(AssertionError):
    """The first problem of an environment, in one line."""


@dataclass(frozen=True)
class EnvironmentFindings:
    """The facts that a check found about a correct environment.

    Attributes:
        lengths: The number of steps of every episode.
        notes: Useful facts that are not errors.
    """

    lengths: tuple[int, ...]
    notes: tuple[str, ...]


def check_environment(
    env: Environment, *, episodes: int = 3, max_episode_steps: int = 1000, seed: int = 0
) -> EnvironmentFindings:
    """Check that an environment in JAX follows its interface (`hamlet.envs.base.Environment`).

    Args:
        env: The environment.
        episodes: The number of episodes.
        max_episode_steps: The number of steps after which an episode is stopped.
        seed: The random seed of the episodes and actions.

    Returns:
        The lengths of the episodes, and notes with useful facts.

    Raises:
        UnfitEnvironment: The first problem: where it occurs, what is wrong, and what is expected.

    >>> import hamlet
    >>> check_environment(hamlet.envs.make("matrix/climbing"), episodes=1).lengths
    (1,)
    """
    _check_declaration(env)
    key = jax.random.key(seed)
    begun = _called(lambda: env.reset(key), "reset")
    _check_begin(env, begun)
    reset, step = jax.jit(env.reset), jax.jit(env.step)
    outline = jax.eval_shape(env.reset, key)
    _require(
        _equal(env.reset(key), env.reset(key)),
        "reset gives another episode for the same key; it must be a pure function of the key",
    )
    lengths, notes, ended = [], [], 0
    for episode in range(episodes):
        episode_key = jax.random.fold_in(key, episode)
        (state, view), count = reset(episode_key), 0
        _check_values(env, view, None, f"episode {episode}, reset")
        for count in range(1, max_episode_steps + 1):
            where = f"episode {episode}, step {count}"
            step_key = jax.random.fold_in(episode_key, count)
            actions = _random_actions(env, view, step_key)
            if episode == 0 and count == 1:
                _check_step(env, outline, _called(lambda: env.step(step_key, state, actions), "step"))  # noqa: B023
            stepping = partial(step, step_key, state, actions)
            state, view, outcome = _called(stepping, "step, compiled,") if count == 1 else stepping()
            _check_values(env, view, outcome, where)
            if bool(outcome.terminated | outcome.truncated):
                ended += 1
                break
        lengths.append(count)
    if not ended:
        notes.append(
            f"no episode ended within {max_episode_steps:,} steps: a run would have no returns, and would truncate"
            " evaluations"
        )
    if all(_equal(reset(jax.random.fold_in(key, n)), reset(key)) for n in range(5)):
        notes.append("every episode starts in the same state, for every key")
    return EnvironmentFindings(tuple(lengths), tuple(notes))


def _check_declaration(env: Any) -> None:
    try:
        hash(env)
    except TypeError as error:
        raise UnfitEnvironment(
            f"{type(env).__name__} cannot be hashed ({error}): make it a frozen dataclass of numbers, strings, tuples"
        ) from None
    groups = getattr(env, "groups", ())
    _require(len(groups) > 0, "groups is empty: list the agents in it, in groups of agents with equal spaces")
    names = [name for group in groups for name in group.names]
    _require(
        len(set(names)) == len(names) > 0,
        f"every agent needs its own name; the names are {', '.join(map(str, names)) or 'missing'}",
    )
    for group in groups:
        for what, space in (("observation", group.observation), ("action", group.action)):
            _require(
                isinstance(space, _SPACES),
                f"the {what} space of {group.names[0]} is {space!r}: use a space of hamlet.spaces",
            )
    shape = env.state_shape
    _require(isinstance(shape, tuple) and len(shape) > 0, f"state_shape must be a tuple such as (4,), got {shape!r}")


def _check_begin(env: Environment, begun: Any) -> None:
    _require(isinstance(begun, tuple) and len(begun) == 2, "reset must return a pair: a state and its view")
    state, view = begun
    _require(isinstance(view, View), f"reset must return a hamlet.envs.base.View, got a {type(view).__name__}")
    _check_leaves(state, "the state of reset")
    _check_view(env, view, "reset")


def _check_step(env: Environment, outline: Any, stepped: Any) -> None:
    _require(
        isinstance(stepped, tuple) and len(stepped) == 3,
        "step must return three values: a state, its view and the outcome",
    )
    state, view, outcome = stepped
    _require(
        isinstance(outcome, Outcome), f"step must return a hamlet.envs.base.Outcome, got a {type(outcome).__name__}"
    )
    _check_leaves(state, "the state of step")
    _check_view(env, view, "step")
    for what, begun, after in (("state", outline[0], state), ("view", outline[1], view)):
        for path, before, now in _pairs(begun, after, what):
            same = before.shape == now.shape and before.dtype == now.dtype
            _require(
                same,
                f"{path} is {before.dtype}{list(before.shape)} from reset but {now.dtype}{list(now.shape)} from step; "
                "both must have the same type and shape",
            )
    agents = sum(len(group.names) for group in env.groups)
    _check_leaves(outcome, "the outcome")
    reward = outcome.reward
    floating = reward.shape == (agents,) and jnp.issubdtype(reward.dtype, jnp.floating)
    _require(
        floating,
        f"reward must be float32[{agents}], one number for each agent, got {reward.dtype}{list(reward.shape)}",
    )
    for name in ("terminated", "truncated"):
        flag = getattr(outcome, name)
        _require(
            flag.shape == () and flag.dtype == bool, f"{name} must be one bool, got {flag.dtype}{list(flag.shape)}"
        )


def _check_view(env: Environment, view: View, where: str) -> None:
    _check_leaves(view, f"the view of {where}")
    count = len(env.groups)
    for name, parts in (("observation", view.observation), ("available", view.available)):
        tuple_of_groups = isinstance(parts, tuple) and len(parts) == count
        _require(
            tuple_of_groups,
            f"{name} of {where} must be a tuple with one entry for each of the {count} groups, got {_brief(parts)}",
        )
    for group, observation, available in zip(env.groups, view.observation, view.available, strict=True):
        shape = (len(group.names), *group.observation.shape)
        what = f"the observation of {group.names[0]} in {where}"
        _require(
            observation.shape == shape,
            f"{what} must have shape {list(shape)} (the first axis is the agents), got {list(observation.shape)}",
        )
        choices = isinstance(group.observation, Discrete | MultiDiscrete)
        whole = jnp.issubdtype(observation.dtype, jnp.integer)
        _require(
            not choices or whole, f"{what} must have an integer type as its space is discrete, got {observation.dtype}"
        )
        if available is not None:
            mask = (len(group.names), group.action.width)
            fits = available.shape == mask and available.dtype == bool
            _require(
                fits,
                f"available of {group.names[0]} must be bool{list(mask)}, got {available.dtype}{list(available.shape)}",
            )
    _require(
        view.state.shape == env.state_shape,
        f"the state in {where} must have state_shape {env.state_shape}, got {view.state.shape}",
    )
    if view.alive is not None:
        agents = sum(len(group.names) for group in env.groups)
        fits = view.alive.shape == (agents,) and view.alive.dtype == bool
        _require(fits, f"alive must be bool[{agents}], got {view.alive.dtype}{list(view.alive.shape)}")


def _check_leaves(tree: Any, where: str) -> None:
    """Require arrays with strong types: with a Python number or a weak type, JAX compiles a step twice."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        name = f"{where}{jax.tree_util.keystr(path)}"
        _require(
            isinstance(leaf, jax.Array),
            f"{name} must be an array, got a Python {type(leaf).__name__}: write jnp.int32(0) or jnp.zeros(())",
        )
        _require(
            not leaf.weak_type,
            f"{name} has a weak type, so JAX would compile the step twice: give its dtype, as in jnp.float32(1.0)",
        )


def _check_values(env: Environment, view: View, outcome: Outcome | None, where: str) -> None:
    alive = (
        np.ones(sum(len(group.names) for group in env.groups), bool) if view.alive is None else np.asarray(view.alive)
    )
    first = 0
    for group, observation, available in zip(env.groups, view.observation, view.available, strict=True):
        here = alive[first : first + len(group.names)]
        first += len(group.names)
        for name, seen, present, mask in zip(
            group.names,
            np.asarray(observation),
            here,
            [None] * len(group.names) if available is None else np.asarray(available),
            strict=True,
        ):
            if not present:
                continue
            _check_observation(group, seen, f"the observation of {name} in {where}")
            _require(mask is None or bool(mask.any()), f"{name} has no available action in {where}: allow at least one")
    _require(
        bool(np.isfinite(np.asarray(view.state, np.float64)).all()),
        f"the state in {where} contains NaN or infinite numbers",
    )
    if outcome is not None:
        reward = np.asarray(outcome.reward)
        _require(bool(np.isfinite(reward).all()), f"the reward in {where} must be finite, got {reward.tolist()}")


def _check_observation(group: Group, seen: np.ndarray, where: str) -> None:
    match group.observation:
        case Box() as space:
            _require(bool(np.isfinite(seen.astype(np.float64)).all()), f"{where} contains NaN or infinite numbers")
            low, high = (np.asarray(bound, np.float64).reshape(seen.shape) for bound in space.bounds)
            room = _SLACK * np.where(np.isfinite(high - low), high - low, 1.0)
            inside = (seen >= low - room) & (seen <= high + room)
            _require(
                bool(inside.all()), f"{where} contains {seen[~inside][:1]}, which is outside the bounds of its Box"
            )
        case Discrete(n):
            _require(bool(0 <= seen < n), f"{where} must be one of 0 … {n - 1}, got {seen}")
        case _:
            pass


def _random_actions(env: Environment, view: View, key: jax.Array) -> tuple[Any, ...]:
    """Sample the actions of every group uniformly from the available actions."""
    actions = []
    for number, (group, available) in enumerate(zip(env.groups, view.available, strict=True)):
        drawn = noise(group.action, jax.random.fold_in(key, number), 1, len(group.names))
        mask = None if available is None else available[None]
        actions.append(even(group.action, drawn, mask)[0].reshape(len(group.names), *group.action.shape))
    return tuple(actions)


def _pairs(before: Any, after: Any, what: str) -> Iterator[tuple[str, Any, Any]]:
    first, second = (jax.tree_util.tree_leaves_with_path(tree) for tree in (before, after))
    same = [path for path, _ in first] == [path for path, _ in second]
    _require(same, f"the {what} of step must have the same leaves as the {what} of reset")
    for (path, one), (_, other) in zip(first, second, strict=True):
        yield f"{what}{jax.tree_util.keystr(path)}", one, other


def _called(call: Any, name: str) -> Any:
    try:
        return call()
    except Exception as error:
        raise UnfitEnvironment(f"{name} raises {type(error).__name__}: {' '.join(str(error).split())[:300]}") from error


def _equal(one: Any, other: Any) -> bool:
    leaves = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.array_equal(_numbers(a), _numbers(b)) for a, b in leaves)


def _numbers(leaf: Any) -> np.ndarray:
    """Return a leaf as numbers, also if it is a random key; NaN becomes 0, because NaN is not equal to itself."""
    array = np.asarray(jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf)
    return np.nan_to_num(array) if np.issubdtype(array.dtype, np.floating) else array


def _brief(value: Any) -> str:
    return f"{type(value).__name__}" + (f" of {len(value)}" if isinstance(value, tuple | list) else "")


def _require(condition: bool, line: str) -> None:
    if not condition:
        raise UnfitEnvironment(line)
