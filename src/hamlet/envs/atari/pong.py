"""Two-player Pong: PettingZoo's ``pong_v3`` with the ROM that ale-py ships, seen and stepped as papers have it.

An agent acts every fourth frame (``skip``) and is paid what those frames bring: 1 for a point, −1 for the other's. It
sees the last four of the screens at which it acted (``stack``), each grey, the brighter of the last two frames pixel by
pixel (the console draws some things in every second frame only), and resized by the mean over areas to 84 × 84
(``size``). One channel more says which seat it has: 0 all over for the first player, 255 for the second, so that one
network could serve both. The state is the screens alone.

An episode begins with up to ``noops`` idle frames, which is all its chance, terminates when a player has 21 points, and
is truncated after ``max_steps`` (random play takes about 1,500). Who does not serve in time loses a point that nobody
gets: rewards do not always sum to zero, and such points do not end the game.

Workers import this file: it needs the standard library and numpy, and the extra only when a game is made.

References: Mnih et al., 2015, Nature 518 (preprocessing); Terry and Black, 2020, arXiv:2009.09341 (the games).
"""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

PACKAGES = ("pettingzoo", "multi_agent_ale_py", "ale_py", "pygame")
SCREEN = (210, 160)
# Of the console, a second.
_FRAMES = 60


class Pong:
    """One game, with PettingZoo's parallel interface.

    Args:
        game: PettingZoo's own, in grey.
        skip: Frames from one action to the next.
        stack: Screens that are seen at once.
        size: Their side.
        noops: Idle frames at the beginning, at most.
        max_steps: Steps of an episode.
    """

    render_mode = "rgb_array"

    def __init__(self, game: Any, *, skip: int, stack: int, size: int, noops: int, max_steps: int) -> None:
        from gymnasium.spaces import Box

        self._game, self._skip, self._noops, self._max_steps = game, skip, noops, max_steps
        self._along = [areas(side, size) for side in SCREEN]
        self._screens = np.zeros((size, size, stack), np.uint8)
        self._steps = 0
        self.metadata = {
            "name": "pong_v3",
            "render_modes": ["rgb_array"],
            "render_fps": _FRAMES / skip,
            "is_parallelizable": True,
        }
        self.possible_agents = list(game.possible_agents)
        self.agents: list[str] = []
        self._seen = Box(0, 255, (size, size, stack + 1), np.uint8)
        self.state_space = Box(0, 255, (size, size, stack), np.uint8)
        self._seats = [np.full((size, size, 1), 255 * seat, np.uint8) for seat in range(len(self.possible_agents))]

    @property
    def unwrapped(self) -> Any:
        """PettingZoo's own."""
        return self._game

    def observation_space(self, agent: str) -> Any:
        """Of bytes."""
        return self._seen

    def action_space(self, agent: str) -> Any:
        """Idle, fire, right, left, and both of these with fire."""
        return self._game.action_space(agent)

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict[str, Any], Any]:
        """A new game, after idle frames whose number is drawn from the seed."""
        observations, infos = self._game.reset(seed=seed)
        idle = dict.fromkeys(self.possible_agents, 0)
        for _ in range(np.random.default_rng(seed).integers(self._noops + 1)):
            observations = self._game.step(idle)[0]
        self.agents, self._steps = list(self._game.agents), 0
        self._screens[:] = self._resized(observations[self.agents[0]])
        return self._shown(), infos

    def step(self, actions: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        """The same actions for some frames, fewer where the game ends."""
        rewards = dict.fromkeys(self.agents, 0.0)
        before: Any = None
        frame: Any = None
        terminated: dict[str, bool] = {}
        infos: dict[str, Any] = {}
        for _ in range(self._skip):
            observations, earned, terminated, _, infos = self._game.step(actions)
            before, frame = frame, observations[self.agents[0]]
            for name, reward in earned.items():
                rewards[name] += float(reward)
            if any(terminated.values()):
                break
        self._steps += 1
        self._screens[..., :-1] = self._screens[..., 1:]
        self._screens[..., -1:] = self._resized(frame if before is None else np.maximum(before, frame))
        over, cut = any(terminated.values()), self._steps >= self._max_steps
        answer = (
            self._shown(),
            rewards,
            dict.fromkeys(self.agents, over),
            dict.fromkeys(self.agents, cut and not over),
            infos,
        )
        self.agents = [] if over or cut else self.agents
        return answer

    def state(self) -> np.ndarray:
        """What both see."""
        return self._screens.copy()

    def render(self) -> Any:
        """The screen in colours."""
        return self._game.ale.getScreenRGB()

    def close(self) -> None:
        """End the game."""
        self._game.close()

    def _resized(self, frame: np.ndarray) -> np.ndarray:
        rows, columns = self._along
        small = rows @ frame[..., 0].astype(np.float32) @ columns.T
        return np.rint(small).astype(np.uint8)[..., None]

    def _shown(self) -> dict[str, np.ndarray]:
        return {
            name: np.concatenate((self._screens, seat), -1)
            for name, seat in zip(self.possible_agents, self._seats, strict=True)
        }


def areas(pixels: int, size: int) -> np.ndarray:
    """The matrix ``[size, pixels]`` that takes means over equal stretches of a row of pixels, parts of pixels included.

    >>> areas(3, 2).round(2)
    array([[0.67, 0.33, 0.  ],
           [0.  , 0.33, 0.67]], dtype=float32)
    """
    edges = np.linspace(0.0, pixels, size + 1)
    low, high = edges[:-1, None], edges[1:, None]
    pixel = np.arange(pixels)[None]
    shared = np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0.0, None)
    return (shared * size / pixels).astype(np.float32)


def parallel_env(*, skip: int = 4, stack: int = 4, size: int = 84, noops: int = 30, max_steps: int = 5_000) -> Pong:
    """One game of two players. For the arguments see `Pong`."""
    import ale_py
    from pettingzoo.atari.pong import pong  # which is pong_v3, whose own name warns of its age

    # PettingZoo looks for roms/pong.bin there: nothing is downloaded. Its converters from agent by agent to parallel,
    # around what was parallel, take longer than the console: they are left out.
    game = pong.parallel_env(obs_type="grayscale_image", auto_rom_install_path=os.path.dirname(ale_py.__file__))
    return Pong(game.unwrapped, skip=skip, stack=stack, size=size, noops=noops, max_steps=max_steps)
