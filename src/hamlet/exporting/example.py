"""How exported policies are played in their environment without Hamlet, where that is known: a dozen lines."""

import dataclasses
from typing import Any

from hamlet.envs.factories import user_modules
from hamlet.envs.mamujoco import MultiAgentMujoco
from hamlet.envs.mamujoco.scenarios import SCENARIOS, partition_of
from hamlet.envs.mpe.simple_reference import SimpleReference
from hamlet.envs.mpe.simple_speaker_listener import SimpleSpeakerListener
from hamlet.envs.mpe.simple_spread import SimpleSpread
from hamlet.envs.pettingzoo.environment import PettingZoo
from hamlet.exporting.literals import NotALiteral, is_name, keywords, literal

_PLAY = '''"""One episode in {where}, by the exported policies; it needs NumPy and {needs}."""
{imports}
from policies import Team

env, team = {make}, Team()
(observations, infos), total = env.reset(seed=0), 0.0
while env.agents:
    present = {{name: observations[name] for name in env.agents}}  # not those whose episode has just ended
    observations, rewards, _, _, infos = env.step(team.act(present, infos))
    total += sum(float(reward) for reward in rewards.values())
print(f"the team's return is {{total:.2f}}")
'''
_MPE = {
    SimpleSpread: "simple_spread_v3",
    SimpleReference: "simple_reference_v3",
    SimpleSpeakerListener: "simple_speaker_listener_v4",
}
_RENAMED = {"agents": "N", "max_steps": "max_cycles", "continuous": "continuous_actions"}


def example(env: Any) -> str | None:
    """A program that plays one episode, for the folder above the policies; None where that needs Hamlet.

    Whatever the names in it are, they are literals there. None also where no source says them.
    """
    try:
        return _program(env)
    except NotALiteral:
        return None


def _program(env: Any) -> str | None:
    if type(env) in _MPE:
        name = _MPE[type(env)]
        options = {_RENAMED.get(field.name, field.name): getattr(env, field.name) for field in dataclasses.fields(env)}
        return _text("mpe2", f"from mpe2 import {name}\n", f"{name}.parallel_env({keywords(options)})")
    if isinstance(env, PettingZoo):
        return _factory(env)
    if isinstance(env, MultiAgentMujoco) and _is_original(env):
        words = f"{literal(env.scenario)}, {literal(env.partition)}, agent_obsk={literal(env.obsk)}"
        words += "" if env.max_steps == 1000 else f", max_episode_steps={literal(env.max_steps)}"
        return _text(
            "gymnasium-robotics",
            "from gymnasium_robotics import mamujoco_v1\n",
            f"mamujoco_v1.parallel_env({words})",
        )
    return None


def _factory(env: PettingZoo) -> str:
    module, _, name = env.factory.partition(":")
    parts = name.split(".")
    if not all(is_name(part) for part in (*module.split("."), *parts)):
        raise NotALiteral(f"{env.factory} is no name of Python")
    imports, make = f"from {module} import {parts[0]}\n", f"{name}({keywords(dict(env.options))})"
    # The module of a user is found where the run found it.
    for home in user_modules.directories([env.factory]).values():
        imports = f"import sys\n\nsys.path.append({literal(home)})\n{imports}"
    if env.description.turns:
        imports = f"from pettingzoo.utils.conversions import turn_based_aec_to_parallel\n{imports}"
        make = f"turn_based_aec_to_parallel({make})"
    return _text(module, imports, make)


def _text(where: str, imports: str, make: str) -> str:
    return _PLAY.format(where=where, needs=where, imports=imports, make=make)


def _is_original(env: MultiAgentMujoco) -> bool:
    """Whether gymnasium-robotics makes it by its name alone."""
    scenario = SCENARIOS[env.scenario]
    dealt = not scenario.segments and partition_of(env.scenario, env.partition) is None
    return dealt and env.rules == scenario.rules
