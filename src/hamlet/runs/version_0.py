"""Convert configurations of version 0 (files without a version entry) to version 1.

Version 0 named every class by its import path at that time. This module has a fixed table of these paths; it does not
change when a class is moved. A path that is not in the table is user code. A path inside Hamlet that is not in the
table stays unchanged, and is later refused as an unknown part.
"""

import dataclasses
from typing import Any

from hamlet.envs.factories.known import CODE, FACTORIES
from hamlet.runs import parts


def upgraded(data: Any) -> Any:
    """Convert a value of a configuration of version 0 to version 1."""
    if isinstance(data, list):
        return [upgraded(item) for item in data]
    if not isinstance(data, dict):
        return data
    members = {name: upgraded(value) for name, value in data.items() if name != "type"}
    if "type" not in data:
        return members
    place = data["type"]
    if not isinstance(place, str) or place not in PLACES:
        user_defined = isinstance(place, str) and ":" in place and not place.startswith("hamlet.")
        return {"import" if user_defined else "type": place, **members}
    kind = parts.find(PLACES[place])
    for field in dataclasses.fields(kind):
        code = field.metadata.get(CODE)
        if code is not None and isinstance(written := members.get(field.name), str):
            place = _MOVED.get(written, written)
            members[field.name] = code.name(place, members) or {"import": written}
    return {"type": PLACES[data["type"]], **members}


# Factories of Hamlet's own environments: the old import path, and the current one.
_MOVED = {"hamlet.envs.pong:parallel_env": FACTORIES["atari/pong"]}
PLACES = {
    "hamlet.haml.template:Haml": "haml",
    "hamlet.learners.decomposition:Decomposition": "value_decomposition",
    "hamlet.learners.value:JointValue": "joint_value",
    "hamlet.haml.drift:ZeroDrift": "zero_drift",
    "hamlet.haml.drift:ClipDrift": "clip_drift",
    "hamlet.haml.drift:KlDrift": "kl_drift",
    "hamlet.haml.drift:SquaredTvDrift": "squared_tv_drift",
    "hamlet.haml.drift:SumDrift": "sum_drift",
    "hamlet.haml.neighbourhood:Whole": "unconstrained",
    "hamlet.haml.neighbourhood:KlBall": "kl_ball",
    "hamlet.haml.scheme:Sequential": "sequential",
    "hamlet.haml.scheme:Simultaneous": "simultaneous",
    "hamlet.haml.scheme:Step": "prediction_step",
    "hamlet.haml.meta_game:MetaGame": "meta_game",
    "hamlet.haml.meta_game:MetaStep": "meta_step",
    "hamlet.haml.meta_game:Nash": "nash_equilibrium",
    "hamlet.haml.meta_game:Forced": "fixed_probability",
    "hamlet.haml.surrogate:Importance": "importance",
    "hamlet.haml.pathwise:Pathwise": "pathwise",
    "hamlet.haml.pathwise:SoftPathwise": "soft_pathwise",
    "hamlet.haml.dual:Dual": "dual",
    "hamlet.haml.sampling:OnPolicy": "on_policy",
    "hamlet.haml.sampling:Replay": "replay",
    "hamlet.haml.sampling:EpisodeReplay": "episode_replay",
    "hamlet.estimation.advantage:Gae": "gae",
    "hamlet.estimation.advantage:NStep": "n_step",
    "hamlet.estimation.credit:Counterfactual": "counterfactual_advantage",
    "hamlet.estimation.credit:OptimalBaseline": "optimal_baseline",
    "hamlet.estimation.critic:StateValue": "state_value",
    "hamlet.estimation.action_value:ActionValue": "action_value",
    "hamlet.estimation.counterfactual:CounterfactualValue": "counterfactual_value",
    "hamlet.estimation.joint_value:JointActionValue": "joint_action_value",
    "hamlet.networks.actors:Stochastic": "stochastic_actor",
    "hamlet.networks.actors:Deterministic": "deterministic_actor",
    "hamlet.networks.actors:Squashed": "squashed_actor",
    "hamlet.networks.actors:Exploring": "exploring_actor",
    "hamlet.networks.duelling:Greedy": "greedy_duelling",
    "hamlet.networks.utility:Utilities": "utilities",
    "hamlet.networks.diverse:DiverseUtilities": "diverse_utilities",
    "hamlet.networks.exploration:Schedule": "linear_schedule",
    "hamlet.networks.torso:Body": "network",
    "hamlet.networks.mixers:Own": "independent_mixer",
    "hamlet.networks.mixers:Sum": "sum_mixer",
    "hamlet.networks.mixers:Monotonic": "monotonic_mixer",
    "hamlet.networks.qplex:Duplex": "qplex_mixer",
    "hamlet.networks.qtran:Qtran": "qtran_mixer",
    "hamlet.networks.diverse:Determinantal": "determinantal_mixer",
    "hamlet.envs.simple_spread:SimpleSpread": "simple_spread",
    "hamlet.envs.simple_reference:SimpleReference": "simple_reference",
    "hamlet.envs.simple_speaker_listener:SimpleSpeakerListener": "simple_speaker_listener",
    "hamlet.envs.checkers:Checkers": "checkers",
    "hamlet.envs.switch:Switch": "switch",
    "hamlet.envs.matrix:Matrix": "matrix",
    "hamlet.envs.small_games:Halves": "example_2",
    "hamlet.envs.small_games:Product": "product",
    "hamlet.envs.small_games:ProductDiscrete": "product_discrete",
    "hamlet.envs.small_games:TwoStateGame": "two_state",
    "hamlet.envs.small_games:Recall": "memory",
    "hamlet.envs.mamujoco.environment:MultiAgentMujoco": "mamujoco",
    "hamlet.envs.mamujoco.rules:Runner": "runner_rules",
    "hamlet.envs.mamujoco.rules:Hopper": "hopper_rules",
    "hamlet.envs.mamujoco.rules:Walker2d": "walker_rules",
    "hamlet.envs.mamujoco.rules:Ant": "ant_rules",
    "hamlet.envs.mamujoco.rules:Humanoid": "humanoid_rules",
    "hamlet.envs.mamujoco.rules:HumanoidStandup": "humanoid_standup_rules",
    "hamlet.envs.pettingzoo:PettingZoo": "pettingzoo",
    "hamlet.envs.description:Description": "description",
    "hamlet.envs.description:Agent": "described_agent",
    "hamlet.envs.description:Kind": "described_space",
}
"""The import paths of classes in version 0, and the names of their parts. This table never changes."""
