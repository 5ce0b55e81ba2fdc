"""The bodies of multi-agent MuJoCo, and how their joints are divided among agents."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from hamlet.envs.mamujoco.rules import Ant, Hopper, Humanoid, HumanoidStandup, Rules, Runner, Walker2d
from hamlet.errors import RequestError, unknown

__all__ = ["NAMES", "SCENARIOS", "Scenario", "partition_of", "refuse_unless_known"]

_HUMANOID = (
    "abdomen_x abdomen_y abdomen_z right_hip_x right_hip_y right_hip_z right_knee left_hip_x left_hip_y left_hip_z "
    "left_knee right_shoulder1 right_shoulder2 right_elbow left_shoulder1 left_shoulder2 left_elbow"
)


@dataclass(frozen=True)
class Scenario:
    """A body and its tasks.

    Attributes:
        gymnasium: The Gymnasium environment that defines the body.
        rules: The rules of rewards and termination, with the defaults of this body.
        says: A description in one line.
        place: Whose position measures progress: the first slide joint, the torso, or the centre of mass.
        noise: The distribution from which initial velocities are sampled.
        given: The partitions that gymnasium-robotics defines.
        joints: The other partitions, as in the papers: spaces separate an agent's joints, commas separate agents.
        segments: Whether the partition also sets the number of segments: N agents × M segments each.
    """

    gymnasium: str
    rules: Rules
    says: str
    place: Literal["slide", "torso", "mass"] = "slide"
    noise: Literal["normal", "uniform"] = "uniform"
    given: tuple[str, ...] = ()
    joints: Mapping[str, str] | None = None
    segments: bool = False


SCENARIOS: Mapping[str, Scenario] = {
    "Ant": Scenario(
        "Ant-v5",
        Ant(),
        "A four-legged body runs forward",
        place="torso",
        noise="normal",
        given=("2x4", "2x4d", "4x2"),
        joints={"8x1": "hip1, ankle1, hip2, ankle2, hip3, ankle3, hip4, ankle4"},
    ),
    "HalfCheetah": Scenario(
        "HalfCheetah-v5",
        Runner(),
        "A flat cheetah runs forward",
        noise="normal",
        given=("2x3", "6x1"),
        joints={"3x2": "bfoot bshin, bthigh ffoot, fshin fthigh"},
    ),
    "Hopper": Scenario("Hopper-v5", Hopper(), "A leg hops forward", given=("3x1",)),
    "Humanoid": Scenario(
        "Humanoid-v5",
        Humanoid(),
        "A human body walks forward",
        place="mass",
        given=("9|8",),
        joints={"17x1": _HUMANOID.replace(" ", ", ")},
    ),
    "HumanoidStandup": Scenario(
        "HumanoidStandup-v5",
        HumanoidStandup(),
        "A human body gets up",
        place="mass",
        given=("9|8",),
        joints={"17x1": _HUMANOID.replace(" ", ", ")},
    ),
    "ManySegmentAnt": Scenario(
        "Ant-v5",
        Ant(),
        "Many coupled ants run forward",
        place="torso",
        noise="normal",
        given=("2x3",),
        segments=True,
    ),
    "ManySegmentSwimmer": Scenario(
        "Swimmer-v5",
        Runner(ctrl_cost_weight=1e-4),
        "A swimmer of many segments swims forward",
        given=("10x2",),
        segments=True,
    ),
    "Swimmer": Scenario("Swimmer-v5", Runner(ctrl_cost_weight=1e-4), "A swimmer swims forward", given=("2x1",)),
    "Walker2d": Scenario(
        "Walker2d-v5",
        Walker2d(),
        "A pair of legs walks forward",
        given=("2x3",),
        joints={
            "3x2": "foot_joint leg_joint, thigh_joint foot_left_joint, leg_left_joint thigh_left_joint",
            "6x1": "foot_joint, leg_joint, thigh_joint, foot_left_joint, leg_left_joint, thigh_left_joint",
        },
    ),
}

# Every named task; of the bodies with many segments, one task of each kind.
NAMES: tuple[str, ...] = tuple(
    f"mamujoco/{name}-{partition}"
    for name, scenario in SCENARIOS.items()
    for partition in sorted((*scenario.given, *(scenario.joints or {})))
)


def partition_of(scenario: str, partition: str) -> tuple[tuple[str, ...], ...] | None:
    """Return the labels of every agent's joints; None if gymnasium-robotics defines the partition itself."""
    text = (SCENARIOS[scenario].joints or {}).get(partition)
    return None if text is None else tuple(tuple(agent.split()) for agent in text.split(","))


def refuse_unless_known(scenario: str, partition: str) -> None:
    """Refuse a body or partition that is not a task.

    Raises:
        RequestError: It is not a task; the message names the nearest task.
    """
    if scenario in SCENARIOS and SCENARIOS[scenario].segments:
        if not (sizes := re.fullmatch(r"([1-9][0-9]*)x([1-9][0-9]*)", partition)):
            raise RequestError(f"{scenario} needs a partition NxM, N agents with M segments each, got {partition!r}")
        if int(sizes[1]) * int(sizes[2]) < 2:
            raise RequestError(f"{scenario}-{partition} has one segment, but needs at least two, as in 2x1")
    elif f"mamujoco/{scenario}-{partition}" not in NAMES:
        raise unknown("environment", f"mamujoco/{scenario}-{partition}", NAMES)
