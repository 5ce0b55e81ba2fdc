"""Two-player Pong: PettingZoo's ``pong_v3`` with the ROM of ale-py, with the preprocessing of the papers.

An agent acts every fourth frame (``skip``). Its reward is the sum over these frames: 1 for its own point, −1 for a
point of the other player.

An observation has the last four screens at which the agent acted (``stack``):

* A screen is the pixel-wise maximum of the last two frames, because the console draws some objects only in every second
  frame.
* It is grey, and resized to 84 × 84 (``size``) by averaging over areas.
* One more channel shows the player: all 0 for the first player, all 255 for the second. One network can thus play both.

The state has only the screens.

An episode starts with up to ``noops`` idle frames; this number is its only randomness. It terminates when a player has
21 points, and is truncated after ``max_steps`` (random play takes about 1,500). A player who does not serve in time
loses a point that the other player does not get. Rewards therefore do not always sum to zero, and such points do not
end the game.

Workers import this file, so it uses the standard library and numpy; the optional packages are imported with a game.

References: Mnih et al., 2015, Nature 518 (preprocessing); Terry and Black, 2020, arXiv:2009.09341 (the games).
"""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

PACKAGES = ("pettingzoo", "multi_agent_ale_py", "ale_py", "pygame")
SCREEN = (210, 160)
# The console's frames per second.
_FRAMES = 60


class Pong:
    """One game, with PettingZoo's parallel interface.

    Args:
        game: PettingZoo's own game, in grey.
        skip: The number of frames from one action to the next.
        stack: The number of screens in an observation.
        size: The height and width of a screen.
        noops: The largest number of idle frames at the start.
        max_steps: The number of steps of an episode.
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
        """PettingZoo's own game."""
        return self._game

    def observation_space(self, agent: str) -> Any:
        """Return the space of observations, in bytes."""
        return self._seen

    def action_space(self, agent: str) -> Any:
        """Return the space of actions: idle, fire, right, left, and fire with right or left."""
        return self._game.action_space(agent)

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict[str, Any], Any]:
        """Start a new game, after a number of idle frames that is sampled with the seed."""
        observations, infos = self._game.reset(seed=seed)
        idle = dict.fromkeys(self.possible_agents, 0)
        for _ in range(np.random.default_rng(seed).integers(self._noops + 1)):
            observations = self._game.step(idle)[0]
        self.agents, self._steps = list(self._game.agents), 0
        self._screens[:] = self._resized(observations[self.agents[0]])
        return self._shown(), infos

    def step(self, actions: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        """Repeat the actions for some frames, or fewer if the game ends."""
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
        """Return the screens, which are the same for both players."""
        return self._screens.copy()

    def render(self) -> Any:
        """Return the screen in colour."""
        return self._game.ale.getScreenRGB()

    def close(self) -> None:
        """Close the game."""
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
    """Return the matrix ``[size, pixels]`` that averages a row of pixels over equal intervals, with pixel fractions.

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
    """Make one game of two players. For the arguments see `Pong`."""
    import ale_py
    from pettingzoo.atari.pong import pong  # this is pong_v3; its import under that name warns that it is old

    # PettingZoo looks for roms/pong.bin in this directory; nothing is downloaded. PettingZoo converts its parallel game
    # to an AECEnv and back. These converters take longer than the console, so Hamlet uses the unwrapped game.
    game = pong.parallel_env(obs_type="grayscale_image", auto_rom_install_path=os.path.dirname(ale_py.__file__))
    return Pong(game.unwrapped, skip=skip, stack=stack, size=size, noops=noops, max_steps=max_steps)
