"""The parts that a configuration may name: a fixed table of Hamlet's parts, and the parts of installed packages.

A part has a permanent name, such as ``clip_drift``, which does not depend on the module of its class. So a module can
be moved. A package declares its own parts in the entry-point group ``hamlet.parts``. Each must be a dataclass, and a
configuration names it ``package:part``.
"""

import dataclasses
import importlib
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from hamlet.errors import RequestError
from hamlet.nearest import suggestion

ENTRY_POINTS = "hamlet.parts"

PARTS = {
    # Algorithms.
    "haml": "hamlet.haml.template:Haml",
    "value_decomposition": "hamlet.learners.decomposition:Decomposition",
    "joint_value": "hamlet.learners.value:JointValue",
    # Drifts.
    "zero_drift": "hamlet.haml.drift:ZeroDrift",
    "clip_drift": "hamlet.haml.drift:ClipDrift",
    "kl_drift": "hamlet.haml.drift:KlDrift",
    "squared_tv_drift": "hamlet.haml.drift:SquaredTvDrift",
    "sum_drift": "hamlet.haml.drift:SumDrift",
    # Neighbourhoods.
    "unconstrained": "hamlet.haml.neighbourhood:Unconstrained",
    "kl_ball": "hamlet.haml.neighbourhood:KlBall",
    # Schemes of updates.
    "sequential": "hamlet.haml.scheme:Sequential",
    "simultaneous": "hamlet.haml.scheme:Simultaneous",
    "prediction_step": "hamlet.haml.scheme:UnitStep",
    "meta_game": "hamlet.haml.meta_game:MetaGame",
    "meta_step": "hamlet.haml.meta_game:MetaStep",
    "nash_equilibrium": "hamlet.haml.meta_game:Nash",
    "fixed_probability": "hamlet.haml.meta_game:Forced",
    # Surrogates.
    "importance": "hamlet.haml.surrogate:ImportanceWeights",
    "pathwise": "hamlet.haml.pathwise:Pathwise",
    "soft_pathwise": "hamlet.haml.pathwise:SoftPathwise",
    "dual": "hamlet.haml.dual:Dual",
    # Sampling.
    "on_policy": "hamlet.haml.sampling:OnPolicy",
    "replay": "hamlet.haml.sampling:ReplaySampling",
    "episode_replay": "hamlet.haml.sampling:EpisodeReplay",
    # Advantages.
    "gae": "hamlet.estimation.advantage:Gae",
    "n_step": "hamlet.estimation.advantage:NStep",
    "counterfactual_advantage": "hamlet.estimation.credit:Counterfactual",
    "optimal_baseline": "hamlet.estimation.credit:OptimalBaseline",
    # Critics.
    "state_value": "hamlet.estimation.critic:StateValue",
    "action_value": "hamlet.estimation.action_value:ActionValue",
    "counterfactual_value": "hamlet.estimation.counterfactual:CounterfactualValue",
    "joint_action_value": "hamlet.estimation.joint_value:JointActionValue",
    # Actors and networks.
    "stochastic_actor": "hamlet.networks.actors:Stochastic",
    "deterministic_actor": "hamlet.networks.actors:Deterministic",
    "squashed_actor": "hamlet.networks.actors:Squashed",
    "exploring_actor": "hamlet.networks.actors:Exploring",
    "greedy_duelling": "hamlet.networks.duelling:Greedy",
    "utilities": "hamlet.networks.utility:Utilities",
    "diverse_utilities": "hamlet.networks.mixers.q_dpp:DiverseUtilities",
    "linear_schedule": "hamlet.networks.exploration:Schedule",
    "network": "hamlet.networks.torso:NetworkConfig",
    # Mixers.
    "independent_mixer": "hamlet.networks.mixers.base:IndependentMixer",
    "sum_mixer": "hamlet.networks.mixers.base:Sum",
    "monotonic_mixer": "hamlet.networks.mixers.base:Monotonic",
    "qplex_mixer": "hamlet.networks.mixers.qplex:Duplex",
    "qtran_mixer": "hamlet.networks.mixers.qtran:Qtran",
    "determinantal_mixer": "hamlet.networks.mixers.q_dpp:Determinantal",
    # Environments.
    "simple_spread": "hamlet.envs.mpe.simple_spread:SimpleSpread",
    "simple_reference": "hamlet.envs.mpe.simple_reference:SimpleReference",
    "simple_speaker_listener": "hamlet.envs.mpe.simple_speaker_listener:SimpleSpeakerListener",
    "checkers": "hamlet.envs.grid.checkers:Checkers",
    "switch": "hamlet.envs.grid.switch:Switch",
    "matrix": "hamlet.envs.matrix.payoff_games:Matrix",
    "example_2": "hamlet.envs.matrix.small_games:Halves",
    "product": "hamlet.envs.matrix.small_games:Product",
    "product_discrete": "hamlet.envs.matrix.small_games:ProductDiscrete",
    "two_state": "hamlet.envs.matrix.small_games:TwoStateGame",
    "memory": "hamlet.envs.matrix.small_games:Recall",
    "mamujoco": "hamlet.envs.mamujoco.environment:MultiAgentMujoco",
    "runner_rules": "hamlet.envs.mamujoco.rules:Runner",
    "hopper_rules": "hamlet.envs.mamujoco.rules:Hopper",
    "walker_rules": "hamlet.envs.mamujoco.rules:Walker2d",
    "ant_rules": "hamlet.envs.mamujoco.rules:Ant",
    "humanoid_rules": "hamlet.envs.mamujoco.rules:Humanoid",
    "humanoid_standup_rules": "hamlet.envs.mamujoco.rules:HumanoidStandup",
    "named": "hamlet.envs.named:Named",
    "pettingzoo": "hamlet.envs.pettingzoo.environment:PettingZoo",
    "description": "hamlet.envs.pettingzoo.description:Description",
    "described_agent": "hamlet.envs.pettingzoo.description:Agent",
    "described_space": "hamlet.envs.conversion:SpaceKind",
}
"""The current import path of each part's class. A name never changes, because files contain it."""


def find(name: str) -> type:
    """Return the class of a part.

    Raises:
        RequestError: There is no part of this name, or its package is not installed or cannot be imported.
    """
    if name in PARTS:
        module, _, path = PARTS[name].partition(":")
        return getattr(importlib.import_module(module), path)
    package, colon, part = name.partition(":")
    if not colon:
        raise RequestError(f"there is no part {shown(name)}{suggestion(name, PARTS)}")
    declared = {_name(point): point for point in entry_points(group=ENTRY_POINTS)}
    if name not in declared:
        raise RequestError(
            f"the part {shown(name)} belongs to the package {shown(package)}, which is not installed or does not "
            f"declare {shown(part)} in {ENTRY_POINTS}"
        )
    try:
        kind = declared[name].load()
    except Exception as error:
        raise RequestError(f"the part {shown(name)} cannot be imported: {type(error).__name__}: {error}") from error
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise RequestError(f"the part {shown(name)} is not a dataclass: a configuration may contain only dataclasses")
    return kind


def name_of(kind: type) -> str | None:
    """Return the part name of a class; None if the class is not a part."""
    place = f"{kind.__module__}:{kind.__qualname__}"
    if place in _NAMES:
        return _NAMES[place]
    package = kind.__module__.partition(".")[0]
    candidates = [point for point in entry_points(group=ENTRY_POINTS) if point.module.partition(".")[0] == package]
    return next((_name(point) for point in candidates if _loaded(point) is kind), None)


def shown(text: Any, limit: int = 80) -> str:
    r"""Return a text from a file in a form for error messages: short, and without control characters.

    >>> shown("chi\x1b[2J")
    "'chi\\x1b[2J'"
    """
    written = repr(text)
    return written if len(written) <= limit else written[: limit - 1] + "…"


def _name(point: EntryPoint) -> str:
    return f"{point.dist.name if point.dist else ''}:{point.name}"


def _loaded(point: EntryPoint) -> Any:
    try:
        return point.load()
    except Exception:  # the error belongs to another part of the same package
        return None


_NAMES = {place: name for name, place in PARTS.items()}
