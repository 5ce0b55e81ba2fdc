"""The README of an export, and the module ``policies`` that contains the policies of all agents."""

from typing import Any

from hamlet.exporting.literals import literal, within_text

_TEAM = '''"""The policies of all agents of the team {title}."""

from importlib import import_module

AGENTS = {modules}


class Team:
    """The policies of all agents. The object stores their memory of an episode."""

    def __init__(self):
        """Read the weights."""
        self.policies = {{name: import_module(f".{{module}}", __name__).Policy() for name, module in AGENTS.items()}}

    def reset(self):
        """Start an episode: clear the memory of all policies."""
        for policy in self.policies.values():
            policy.reset()

    def act(self, observations, infos=None):
        """Return the actions of the agents that have an observation.

        observations, infos: dictionaries by agent, as PettingZoo's reset and step return them. An agent's action mask
        is the entry "action_mask" of its observation, if this is a dictionary, or else of its info.
        """
        actions = {{}}
        for name, seen in observations.items():
            mask = ((infos or {{}}).get(name) or {{}}).get("action_mask")
            if isinstance(seen, dict) and "action_mask" in seen:
                mask = seen["action_mask"]
                seen = seen["observation"] if len(seen) == 2 and "observation" in seen else seen
            if isinstance(mask, tuple):
                mask = [choice for part in mask for choice in part]
            actions[name] = self.policies[name].act(seen) if mask is None else self.policies[name].act(seen, mask)
        return actions
'''
_README = """# Policies {title}

This directory contains the policy of each agent as files that work without Hamlet. A policy is a function of the
agent's observation{remembering}. It returns the deterministic action, the same action as
`hamlet.load_policy(run).act(…)`. Continuous actions are within the bounds of the action space. Discrete actions have
the numbers of the environment's action space. If the run normalises observations, each policy includes the
normalisation.

Source: run `{run}`, Hamlet {version}. `manifest.json` contains the same information for programs.

Hamlet compared the files with the original policy on {checked_on} random observations. The largest difference was
{difference}.

## Play

{play}

## Formats

{formats}

## Agents

{agents}
"""
_FORMATS = {
    "numpy": """### NumPy: `policies/AGENT.py` with `policies/AGENT.npz`

These files need only NumPy, and use no pickle. You can copy the two files of an agent to any other directory.

```python
from policies.{module} import Policy

policy = Policy()
policy.reset()  # at the start of every episode
action = policy.act(observation{masked})
```

`policy.distribution(observation)` returns all outputs by name. The function `compute` at the end of the file is the
complete policy as a pure function.""",
    "onnx": """### ONNX: `policies/AGENT.onnx`

The models use opset 18. Every input and output has an additional first axis `batch`, which the tables below do not
show: a model processes any number of observations at once. The types must be the types in the tables; convert a mask
with `np.asarray(mask, bool)`. Optional inputs have default values in the file. onnxruntime prints a warning about them
when it reads the file.

```python
import onnxruntime

session = onnxruntime.InferenceSession("policies/{module}.onnx")
action, {rest} = session.run(None, {{{seen}{given}}})  # the action for one observation is action[0]
```
""",
    "stablehlo": """### StableHLO: `policies/AGENT.stablehlo`

These files need JAX, and run on CPU, CUDA, ROCm and TPU. `jax.export` has written them. Give all inputs in the order
of the tables below. The outputs have the order of the tables.

```python
import jax

with open("policies/{module}.stablehlo", "rb") as file:
    policy = jax.export.deserialize(bytearray(file.read()))
action, {rest} = policy.call({arguments})
```

`policy.mlir_module()` returns the program as text. `policy.mlir_module_serialized` contains its portable bytes for
other compilers.""",
}
_UNKNOWN = """There is no program play.py, because Hamlet does not know how to make this environment without Hamlet. If
you have the environment: call `team = policies.Team()` once, `team.reset()` at the start of every episode, and
`actions = team.act(observations)` at every step. `observations` and `actions` are dictionaries by agent. The tables
below describe the observations."""


def team(modules: dict[str, str], title: str) -> str:
    """Return the source code of the module with all policies.

    Args:
        modules: The name of each agent's module, by agent.
        title: A description of the policies that is valid in a docstring.
    """
    lines = "".join(f"    {literal(name)}: {literal(module)},\n" for name, module in modules.items())
    return _TEAM.format(title=title, modules="{\n" + lines + "}")


def text(document: dict[str, Any], title: str, play: str | None) -> str:
    """Return the text of the README.

    Args:
        document: The manifest.
        title: A description of the policies.
        play: The text of the program play.py, or None.
    """
    agents = document["agents"]
    first = next(iter(agents.values()))
    kinds = first["files"]
    if play is not None:
        played = (
            "Run `python play.py` in this directory. The program plays one episode in the environment:\n\n"
            f"```python\n{play}```"
        )
    elif "numpy" not in kinds:
        played = "To get a program that plays an episode, include the format `numpy` in the export."
    else:
        played = _UNKNOWN
    diffs = {kind: max(agent["largest_difference"].get(kind, -1.0) for agent in agents.values()) for kind in kinds}
    inputs = [port["name"] for port in first["inputs"]]
    words = {
        "module": first["file"],
        "rest": "*others" if len(first["outputs"]) > 1 else "",
        "masked": ", available" if "available" in inputs else "",
        "seen": ", ".join(f'"{name}": {name}[None]' for name in inputs if name.startswith("observation")),
        "given": ', "memory": memory' if "memory" in inputs else "",
        "arguments": ", ".join(inputs),
    }
    return _README.format(
        title=title,
        remembering=" and of its memory" if any(len(_names(agent) & {"memory"}) for agent in agents.values()) else "",
        run=within_text(document["run"]),
        version=document["versions"]["hamlet"],
        checked_on=document["checked_on"],
        difference=", ".join(f"{value:.1g} ({kind})" for kind, value in diffs.items() if value >= 0) or "not measured",
        play=played,
        formats="\n\n".join(_FORMATS[kind].format(**words).strip() for kind in kinds),
        agents="\n\n".join(_agent(name, entry) for name, entry in agents.items()),
    )


def _names(entry: dict[str, Any]) -> set[str]:
    return {port["name"] for port in entry["inputs"]}


def _agent(name: str, entry: dict[str, Any]) -> str:
    rows = []
    for way in ("inputs", "outputs"):
        for port in entry[way]:
            shape = " × ".join(map(str, port["shape"])) or "one number"
            optional, says = ", optional" if port["optional"] else "", within_text(port["says"])
            rows.append(f"| {way[:-1]}{optional} | `{port['name']}` | {port['dtype']} | {shape} | {says} |")
    files = ", ".join(f"`{path}`" for path in entry["files"].values())
    head = "| | name | type | shape | meaning |\n|---|---|---|---|---|\n"
    return f"### `{within_text(name)}`\n\nFiles: {files}\n\n{head}" + "\n".join(rows)
