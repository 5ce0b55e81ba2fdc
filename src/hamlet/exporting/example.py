"""The program play.py, in which exported policies play an episode in their environment without Hamlet."""

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

_PLAY = '''"""Play one episode in {where} with the exported policies. Needs NumPy and {needs}."""
{imports}
from policies import Team

env, team = {make}, Team()
(observations, infos), total = env.reset(seed=0), 0.0
while env.agents:
    present = {{name: observations[name] for name in env.agents}}  # only active agents
    observations, rewards, _, _, infos = env.step(team.act(present, infos))
    total += sum(float(reward) for reward in rewards.values())
print(f"team return: {{total:.2f}}")
'''
_MPE = {
    SimpleSpread: "simple_spread_v3",
    SimpleReference: "simple_reference_v3",
    SimpleSpeakerListener: "simple_speaker_listener_v4",
}
_RENAMED = {"agents": "N", "max_steps": "max_cycles", "continuous": "continuous_actions"}


def example(env: Any) -> str | None:
    """Return a program that plays one episode; None if the environment needs Hamlet.

    The program belongs in the directory above the policies. Names and options are literals in it, so that they cannot
    execute code. The function also returns None if an option cannot be written as a literal.
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
        raise NotALiteral(f"{env.factory} is not a Python name")
    imports, make = f"from {module} import {parts[0]}\n", f"{name}({keywords(dict(env.options))})"
    # A user's own module is imported from the directory in which the run found it.
    for home in user_modules.directories([env.factory]).values():
        imports = f"import sys\n\nsys.path.append({literal(home)})\n{imports}"
    if env.description.turns:
        imports = f"from pettingzoo.utils.conversions import turn_based_aec_to_parallel\n{imports}"
        make = f"turn_based_aec_to_parallel({make})"
    return _text(module, imports, make)


def _text(where: str, imports: str, make: str) -> str:
    return _PLAY.format(where=where, needs=where, imports=imports, make=make)


def _is_original(env: MultiAgentMujoco) -> bool:
    """Return whether gymnasium-robotics can make the environment from its name alone."""
    scenario = SCENARIOS[env.scenario]
    dealt = not scenario.segments and partition_of(env.scenario, env.partition) is None
    return dealt and env.rules == scenario.rules
