"""Copies of a task that step together: resets, rewards, observations, terminations and truncations."""

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
    """The parts of a task's declaration that copies use (`hamlet.envs.mamujoco.environment.MultiAgentMujoco`)."""

    @property
    def name(self) -> str:
        """The name for `hamlet.envs.make`."""
        ...

    @property
    def scenario(self) -> str:
        """The name of the body."""
        ...

    @property
    def rules(self) -> Rules:
        """The rules of rewards and termination."""
        ...

    @property
    def max_steps(self) -> int:
        """The number of steps after which an episode is truncated."""
        ...

    @property
    def workers(self) -> int:
        """The number of threads that step the copies."""
        ...


class MujocoCopies:
    """Copies of one task: a `hamlet.envs.host.HostCopies`."""

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
        """Start in every copy the episode with the given number."""
        self._episode[:] = episode
        self._reset(np.arange(len(self._numbers)))
        self._shown = self._view(self._physics.rows)
        return self._shown

    def send(self, actions: tuple[np.ndarray, ...]) -> None:
        """Start a step in every copy; actions are clipped to their bounds."""
        for given, actuator in zip(actions, self._layout.actuator, strict=True):
            self._actions[:, actuator] = np.asarray(given).clip(self._low, self._high)
        self._time = self._physics.times.copy()
        self._physics.start(self._actions)

    def receive(self) -> Step:
        """Wait for the step and return its result.

        Raises:
            RunError: The simulation or an action contains NaN or infinity; the message names copy, seed and step.
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
        if len(failed):  # this step counts as truncated, as if a time limit had ended the episode before it
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
        """Abandon the current episode in some copies, and start their next episode."""
        assert self._shown is not None, "begin comes before leave"
        self._shown = self._next(np.flatnonzero(copies), self._shown)
        return self._shown

    def _next(self, copies: Int[np.ndarray, " K"], view: View) -> View:
        """Start the next episode in some copies; return all copies' view, with the new views of these copies."""
        self._episode[copies] += 1
        self._reset(copies)
        return _replaced(view, copies, self._view(self._physics.rows[copies]))

    def snapshot(self) -> Snapshot:
        """Return the state of every copy; it includes the quantities read, which lag behind the positions."""
        return {
            "episode": self._episode.copy(),
            "step": self._step.copy(),
            "physics": self._physics.state(),
            "row": self._physics.rows.copy(),
        }

    def restore(self, snapshot: Snapshot) -> View:
        """Restore the state of every copy from a snapshot."""
        self._episode[:] = snapshot["episode"]
        self._step[:] = snapshot["step"]
        self._physics.set_state(snapshot["physics"], snapshot["row"])
        self._place = self._measured(self._physics.rows)
        self._shown = self._view(self._physics.rows)
        return self._shown

    def failures(self) -> tuple[str, ...]:
        """Return one line for each simulation that MuJoCo reset since the last call."""
        lines, self._lines = tuple(self._lines), []
        return lines

    def notes(self) -> tuple[str, ...]:
        """Return no notes."""
        return ()

    def close(self) -> None:
        """Stop the threads."""
        self._physics.close()

    def _reset(self, copies: Int[np.ndarray, " K"]) -> None:
        """Sample first positions and velocities, as Gymnasium samples them from the same seed."""
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
        """Return the position along x by which the scenario measures progress, for each copy; m."""
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
                raise RunError(f"{self._named(copy)}: {name(column)} is {values[copy, column]}, not a finite number")

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
        """Return the copies that failed: MuJoCo reset an unstable simulation to its first pose, and its clock."""
        least_elapsed = self._layout.model.opt.timestep * (self._layout.frame_skip - 0.5)
        copies = np.flatnonzero(self._physics.times - self._time < least_elapsed)
        for copy in copies.tolist():
            self._lines.append(
                f"{self._named(copy)}: the simulation became unstable and MuJoCo reset it to its first pose; this copy "
                "starts its next episode"
            )
        return copies

    def _named(self, copy: int) -> str:
        number, episode = self._numbers[copy], int(self._episode[copy])
        seed = seed_of(self._seed, number, episode)
        return f"{self._task.name}, copy {number}, episode {episode} (seed {seed}), step {int(self._step[copy])}"


def _replaced(view: View, ended: Int[np.ndarray, " K"], fresh: View) -> View:
    """Return the view with the data of some copies replaced."""
    observation = tuple(array.copy() for array in view.observation)
    for array, new in zip(observation, fresh.observation, strict=True):
        array[ended] = new
    state = view.state.copy()
    state[ended] = fresh.state
    return View(observation, state, view.available, view.alive)
