"""The tables and figures of Zhong et al., 2024, arXiv:2304.09870, on environments that Hamlet has.

The numbers of figures were read by eye from the learning curves that were published with the reference code. Their
precision is about ± 1 in MPE and ± 100 in multi-agent MuJoCo. The numbers of Table 3 are printed in the paper. The
paper's older version of spread penalises every agent for a collision with itself, which costs 37.5 per episode. Hamlet
adds 37.5 to the published numbers of spread.
"""

from collections.abc import Mapping

from hamlet.experiments.grid import ExperimentCell, ExperimentGrid

__all__ = ["ELSEWHERE", "GRIDS"]

_EYE = "The published numbers were read from figures by eye (± {}): mean training returns at the end of the curve."
_OURS = "Hamlet's numbers: the deterministic policy of the last checkpoint, 100 episodes, mean over seeds."
_PHYSICS = (
    "The paper used older physics (mujoco-py, v2 models) and other observations. Hamlet uses gymnasium-robotics, v5."
)
_STEPS_UNKNOWN = "The paper does not state the number of steps of this figure. Runs have 10 M steps as in figure 6."
_SPREAD_TASK = "mpe/simple_spread"

# The key is (task, environment, continuous actions). On-policy algorithms ran 10 M steps, off-policy algorithms 5 M.
_MPE: Mapping[tuple[str, str, bool], Mapping[str, float | None]] = {
    ("Spread", _SPREAD_TASK, True): {
        "happo": -65.5 + 37.5,
        "hatrpo": -70.8 + 37.5,
        "haa2c": -97 + 37.5,
        "mappo": -69.3 + 37.5,
        "haddpg": -66.5 + 37.5,
        "hatd3": -63.5 + 37.5,
        "maddpg": -64 + 37.5,
        "matd3": -64 + 37.5,
    },
    ("Spread", _SPREAD_TASK, False): {
        "happo": -62 + 37.5,
        "hatrpo": -63.5 + 37.5,
        "haa2c": -68 + 37.5,
        "mappo": -57 + 37.5,
    },
    ("Reference", "mpe/simple_reference", True): {
        "happo": -10,
        "hatrpo": -13,
        "haa2c": -36,
        "mappo": -10,
        "haddpg": -14.5,
        "hatd3": -11.5,
        "maddpg": -14.5,
        "matd3": -11.5,
    },
    ("Reference", "mpe/simple_reference", False): {"happo": -12.5, "hatrpo": -31.5, "haa2c": -13, "mappo": -12.5},
    ("Speaker Listener", "mpe/simple_speaker_listener", True): {
        "happo": -7.75,
        "hatrpo": -7.75,
        "haa2c": -12.5,
        "mappo": -7.75,
        "haddpg": None,
        "hatd3": -10,
        "maddpg": None,
        "matd3": None,
    },
    ("Speaker Listener", "mpe/simple_speaker_listener", False): {
        "happo": -9.5,
        "hatrpo": None,
        "haa2c": None,
        "mappo": -12.5,
    },
}
_REPLAYING = ("haddpg", "hatd3", "maddpg", "matd3")

_WALKERS: Mapping[str, tuple[Mapping[str, float], Mapping[str, float]]] = {
    "Ant-4x2": (
        {"happo": 5900, "hatrpo": 5000, "haa2c": 5700, "mappo": 5850},
        {"haddpg": 4550, "hatd3": 5900, "maddpg": 4000, "matd3": 5700},
    ),
    "HalfCheetah-2x3": (
        {"happo": 7000, "hatrpo": 5450, "haa2c": 4300, "mappo": 6850},
        {"haddpg": 8200, "hatd3": 8750, "maddpg": 8150, "matd3": 4300},
    ),
    "Hopper-3x1": (
        {"happo": 3450, "hatrpo": 3600, "haa2c": 1750, "mappo": 3600},
        {"haddpg": 3150, "hatd3": 3550, "maddpg": 2750, "matd3": 3400},
    ),
    "Walker2d-2x3": (
        {"happo": 5400, "hatrpo": 3700, "haa2c": 1400, "mappo": 5000},
        {"haddpg": 5000, "hatd3": 7550, "maddpg": 5500, "matd3": 6850},
    ),
    "Walker2d-6x1": (
        {"happo": 4500, "hatrpo": 2150, "haa2c": 1950, "mappo": 4150},
        {"haddpg": 5350, "hatd3": 7700, "maddpg": 4900, "matd3": 6550},
    ),
}
_SECONDS: Mapping[str, tuple[float, float]] = {
    "HalfCheetah-2x3": (203.4, 197.6),
    "HalfCheetah-3x2": (264.7, 256.0),
    "HalfCheetah-6x1": (451.0, 441.4),
    "Walker2d-2x3": (193.9, 187.4),
    "Walker2d-3x2": (245.0, 232.6),
    "Walker2d-6x1": (408.6, 383.2),
    "Humanoid-17x1": (912.0, 988.0),
}


def _mpe() -> tuple[ExperimentCell, ...]:
    return tuple(
        ExperimentCell(
            task=f"{task} ({'continuous' if continuous else 'discrete'})",
            algorithm=algorithm,
            environment=environment,
            options={"continuous": continuous},
            preset="paper/mpe",
            steps=5_000_000 if algorithm in _REPLAYING else 10_000_000,
            published=number,
        )
        for (task, environment, continuous), numbers in _MPE.items()
        for algorithm, number in numbers.items()
    )


def _body(
    task: str, algorithm: str, published: float | None = None, *, steps: int = 10_000_000, **rest: object
) -> ExperimentCell:
    return ExperimentCell(
        task=task,
        algorithm=algorithm,
        environment=f"mamujoco/{task}",
        steps=steps,
        published=published,
        each=True,
        **rest,  # type: ignore[arg-type]
    )


def _bodies(part: int) -> tuple[ExperimentCell, ...]:
    return tuple(_body(task, name, score) for task, both in _WALKERS.items() for name, score in both[part].items())


def _ablation() -> tuple[ExperimentCell, ...]:
    rows = (("happo", {}), ("happo, shared", {"sharing": "group"}), ("happo, fixed order", {"order": "fixed"}))
    return tuple(
        _body(task, "happo", label=label, changes=changes)
        for task in ("Walker2d-2x3", "Walker2d-6x1")
        for label, changes in rows
    )


_ALL = (
    ExperimentGrid(
        name="harl/fig5",
        says="MPE: three tasks, continuous and discrete, eight algorithms",
        cells=_mpe(),
        notes=(
            _EYE.format(1),
            "37.5 is added to the published numbers of spread: in the older version that the paper used, every agent "
            "collides with itself, which costs 37.5 per episode.",
            _OURS,
        ),
    ),
    ExperimentGrid(
        name="harl/fig6",
        says="multi-agent MuJoCo, on-policy: five tasks, four algorithms",
        cells=_bodies(0),
        notes=(_EYE.format(100), _PHYSICS, _OURS),
    ),
    ExperimentGrid(
        name="harl/fig7",
        says="multi-agent MuJoCo, off-policy: five tasks, four algorithms",
        cells=_bodies(1),
        notes=(_EYE.format(100), _STEPS_UNKNOWN, _PHYSICS, _OURS),
    ),
    ExperimentGrid(
        name="harl/fig8",
        says="the 17-agent humanoid: HAPPO, HATD3 and MAPPO",
        cells=tuple(
            _body("Humanoid-17x1", name, at) for name, at in (("happo", 6700), ("hatd3", 6200), ("mappo", 580))
        ),
        notes=(_EYE.format(100), _STEPS_UNKNOWN, _PHYSICS, _OURS),
    ),
    ExperimentGrid(
        name="harl/fig11",
        says="HAPPO with a fixed update order, and with shared parameters: two Walker2d tasks",
        cells=_ablation(),
        notes=("The numbers of the figure were not read. Runs have 10 M steps as in figure 6.", _PHYSICS, _OURS),
    ),
    ExperimentGrid(
        name="harl/fig12",
        says="the time cost of HAPPO's sequential updates: two tasks, HAPPO and MAPPO",
        cells=tuple(_body(task, name) for task in ("HalfCheetah-2x3", "Walker2d-6x1") for name in ("happo", "mappo")),
        measures="seconds",
        notes=("In the paper, HAPPO took 8.12 % and 8.64 % longer than MAPPO.",),
    ),
    ExperimentGrid(
        name="harl/fig13",
        says="HAD3QN on speaker-listener and spread",
        cells=tuple(
            ExperimentCell(
                task=f"{task} (discrete)",
                algorithm="had3qn",
                environment=environment,
                options={"continuous": False},
                preset="paper/mpe",
                steps=10_000_000,
            )
            for task, environment in (("Speaker Listener", "mpe/simple_speaker_listener"), ("Spread", _SPREAD_TASK))
        ),
        notes=(
            "The numbers of the figure were not read. The paper reports that HAD3QN solves both tasks in 10 M steps.",
            _OURS,
        ),
        missing=("the figure's other methods; harl/fig5 contains their runs with discrete actions",),
    ),
    ExperimentGrid(
        name="harl/table3",
        says="seconds of training for a million steps: HAPPO and MAPPO on seven tasks of multi-agent MuJoCo",
        cells=tuple(
            _body(task, name, at, steps=1_000_000)
            for task, both in _SECONDS.items()
            for name, at in zip(("happo", "mappo"), both, strict=True)
        ),
        measures="seconds",
        notes=("The paper's machine has 16 cores at up to 4.9 GHz and a GPU. Compare the ratios, not the seconds.",),
        missing=("the seconds of the update alone, and operations per second (`hamlet bench host` measures them)",),
    ),
)
GRIDS: Mapping[str, ExperimentGrid] = {grid.name: grid for grid in _ALL}

ELSEWHERE: Mapping[str, str] = {
    "harl/fig9": "Hamlet does not include Google Research Football",
    "harl/fig10": "Bi-DexterousHands needs IsaacGym, which is no longer distributed",
    "harl/fig14": "Hamlet does not implement HAD3QN without duelling networks",
    "harl/fig15": "SMAC and SMACv2 need the game StarCraft II",
    "harl/table1": "SMAC and SMACv2 need the game StarCraft II",
    "harl/table2": "Hamlet does not include Google Research Football",
}
