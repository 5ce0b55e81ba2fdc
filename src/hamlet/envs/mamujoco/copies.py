"""Copies of a task stepped together: resets, rewards, observations, ends."""

from typing import Protocol

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from hamlet.envs.base import Outcome, View
from hamlet.envs.host import Snapshot, Step
from hamlet.envs.mamujoco.layout import Layout
from hamlet.envs.mamujoco.physics import Physics
from hamlet.envs.mamujoco.rules import Moved, Rules
from hamlet.envs.mamujoco.scenarios import SCENARIOS
from hamlet.envs.pettingzoo.env_driver import seed_of
from hamlet.errors import RunError

__all__ = ["MujocoCopies"]


class TaskDeclaration(Protocol):
    """What copies ask of the declaration of their task (`hamlet.envs.mamujoco.environment.MultiAgentMujoco`)."""

    @property
    def name(self) -> str:
        """As `hamlet.envs.make` takes it."""
        ...

    @property
    def scenario(self) -> str:
        """Which body."""
        ...

    @property
    def rules(self) -> Rules:
        """What a step earns, and who has fallen."""
        ...

    @property
    def max_steps(self) -> int:
        """After which an episode is truncated."""
        ...

    @property
    def workers(self) -> int:
        """How many threads step the copies."""
        ...


class MujocoCopies:
    """Copies of one task, as `hamlet.envs.host.HostCopies` has them."""

    def __init__(self, task: TaskDeclaration, layout: Layout, seed: int, numbers: range):
        self._task, self._layout, self._seed, self._numbers = task, layout, seed, numbers
        self._scenario = SCENARIOS[task.scenario]
        self._physics = Physics(layout, len(numbers), task.workers)
        self._episode = np.zeros(len(numbers), np.int32)
        self._step = np.zeros(len(numbers), np.int32)
        self._low, self._high = (np.float32(bound) for bound in layout.bounds)
        self._actions = np.zeros((len(numbers), layout.model.nu))
        self._place = np.zeros(len(numbers))
        self._time = np.zeros(len(numbers))
        self._lines: list[str] = []
        self._shown: View | None = None
        weight = np.repeat(layout.model.body_mass, 3) * np.tile([1.0, 0.0, 0.0], layout.model.nbody)
        self._weight = weight / layout.model.body_mass.sum()

    def begin(self, episode: Int[np.ndarray, " E"]) -> View:
        """Begin, in every copy, the episode of the number given."""
        self._episode[:] = episode
        self._reset(np.arange(len(self._numbers)))
        self._shown = self._view(self._physics.rows)
        return self._shown

    def send(self, actions: tuple[np.ndarray, ...]) -> None:
        """Let every copy step; actions are clipped to their bounds."""
        for given, actuator in zip(actions, self._layout.actuator, strict=True):
            self._actions[:, actuator] = np.asarray(given).clip(self._low, self._high)
        self._time = self._physics.times.copy()
        self._physics.start(self._actions)

    def receive(self) -> Step:
        """Wait for that step.

        Raises:
            RunError: The simulation or an action is no longer a number; the line names copy, seed, step.
        """
        self._physics.wait()
        self._step += 1
        rows, before = self._physics.rows, self._place
        self._refuse_what_is_no_number(rows)
        failed = self._set_back()
        self._place = self._measured(rows)
        model = self._layout.model
        seconds = model.opt.timestep * self._layout.frame_skip
        quantities = {name: rows[:, part] for name, part in self._layout.slices.items()}
        velocity = (self._place - before) / seconds
        verdict = self._task.rules.judge(Moved(velocity, self._actions, quantities, model.opt.timestep))
        terminated, truncated = ~verdict.healthy, self._step >= self._task.max_steps
        agents = sum(len(names) for names in self._layout.names)
        reward = np.repeat(verdict.reward.astype(np.float32)[:, None], agents, axis=1)
        arrival = view = self._view(rows)
        if len(failed):  # the step is cut, as if a limit of time had come before it
            assert self._shown is not None, "begin comes before the first step"
            arrival = _replaced(arrival, failed, jax.tree.map(lambda array: array[failed], self._shown))
            reward[failed], terminated[failed], truncated[failed] = 0.0, False, True
        ended = np.flatnonzero(terminated | truncated)
        if len(ended):
            view = self._next(ended, arrival)
        self._shown = view
        flags = np.isin(np.arange(len(self._numbers)), failed) if len(failed) else None
        return Step(arrival, Outcome(reward, terminated, truncated, failed=flags), view)

    def leave(self, copies: Bool[np.ndarray, " E"]) -> View:
        """Leave the episodes under way in some copies, and begin their next ones."""
        assert self._shown is not None, "begin comes before an episode is left"
        self._shown = self._next(np.flatnonzero(copies), self._shown)
        return self._shown

    def _next(self, copies: Int[np.ndarray, " K"], view: View) -> View:
        """Begin the next episode in some copies; the view of all, with theirs as it is now."""
        self._episode[copies] += 1
        self._reset(copies)
        return _replaced(view, copies, self._view(self._physics.rows[copies]))

    def snapshot(self) -> Snapshot:
        """Where every copy stands: what is seen and measured there belongs to it, as it lags behind the positions."""
        return {
            "episode": self._episode.copy(),
            "step": self._step.copy(),
            "physics": self._physics.state(),
            "row": self._physics.rows.copy(),
        }

    def restore(self, snapshot: Snapshot) -> View:
        """Stand where a snapshot was taken."""
        self._episode[:] = snapshot["episode"]
        self._step[:] = snapshot["step"]
        self._physics.set_state(snapshot["physics"], snapshot["row"])
        self._place = self._measured(self._physics.rows)
        self._shown = self._view(self._physics.rows)
        return self._shown

    def failures(self) -> tuple[str, ...]:
        """Lines about simulations that MuJoCo set back since the last call."""
        lines, self._lines = tuple(self._lines), []
        return lines

    def notes(self) -> tuple[str, ...]:
        """None."""
        return ()

    def close(self) -> None:
        """End the threads."""
        self._physics.close()

    def _reset(self, copies: Int[np.ndarray, " K"]) -> None:
        """First positions and velocities, drawn as Gymnasium draws them from the same seed."""
        model, scale = self._layout.model, self._task.rules.reset_noise_scale
        for copy in copies.tolist():
            seed = seed_of(self._seed, self._numbers[copy], int(self._episode[copy]))
            random = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
            position = model.qpos0 + random.uniform(-scale, scale, model.nq)
            if self._scenario.noise == "normal":
                velocity = scale * random.standard_normal(model.nv)
            else:
                velocity = random.uniform(-scale, scale, model.nv)
            self._physics.reset(copy, position, velocity)
        self._step[copies] = 0
        self._place[copies] = self._measured(self._physics.rows[copies])

    def _measured(self, rows: Float[np.ndarray, "E Q"]) -> Float[np.ndarray, " E"]:
        """Where along x the scenario has each copy; m."""
        slices = self._layout.slices
        match self._scenario.place:
            case "slide":
                return rows[:, slices["qpos"].start].copy()
            case "torso":
                return rows[:, slices["torso"].start].copy()
            case "mass":
                return rows[:, slices["xipos"]] @ self._weight

    def _view(self, rows: Float[np.ndarray, "E Q"]) -> View:
        layout = self._layout
        entries = rows[:, layout.column].clip(layout.low, layout.high).astype(np.float32)
        observation = tuple(entries[:, where] for where in layout.observation)
        return View(observation, entries[:, layout.state], (None,) * len(observation), None)

    def _refuse_what_is_no_number(self, rows: Float[np.ndarray, "E Q"]) -> None:
        for values, name in ((self._actions, self._action_name), (rows, self._quantity_name)):
            if not np.isfinite(values).all():
                copy, column = (int(where) for where in np.argwhere(~np.isfinite(values))[0])
                raise RunError(f"{self._named(copy)}: {name(column)} is {values[copy, column]}")

    def _action_name(self, column: int) -> str:
        layout = self._layout
        for names, actuator in zip(layout.names, layout.actuator, strict=True):
            for agent, actuators in zip(names, actuator, strict=True):
                if column in actuators:
                    return f"the action of {agent}"
        raise AssertionError(f"no agent moves actuator {column}")

    def _quantity_name(self, column: int) -> str:
        (name,) = (name for name, part in self._layout.slices.items() if part.start <= column < part.stop)
        return f"{name}[{column - self._layout.slices[name].start}] of the simulation"

    def _set_back(self) -> Int[np.ndarray, " K"]:
        """Copies that failed: MuJoCo sets a simulation that became unstable back to its first pose, and its clock."""
        least_elapsed = self._layout.model.opt.timestep * (self._layout.frame_skip - 0.5)
        copies = np.flatnonzero(self._physics.times - self._time < least_elapsed)
        for copy in copies.tolist():
            self._lines.append(
                f"{self._named(copy)}: MuJoCo found the simulation unstable and set it back to its first pose; "
                "it begins its next episode"
            )
        return copies

    def _named(self, copy: int) -> str:
        number, episode = self._numbers[copy], int(self._episode[copy])
        seed = seed_of(self._seed, number, episode)
        return f"{self._task.name}, copy {number}, episode {episode} (seed {seed}), step {int(self._step[copy])}"


def _replaced(view: View, ended: Int[np.ndarray, " K"], fresh: View) -> View:
    """The view with some copies' part in place of theirs."""
    observation = tuple(array.copy() for array in view.observation)
    for array, new in zip(observation, fresh.observation, strict=True):
        array[ended] = new
    state = view.state.copy()
    state[ended] = fresh.state
    return View(observation, state, view.available, view.alive)
