"""What stands beside exported policies: the README, and the module that holds them all."""

from typing import Any

from hamlet.exporting.literals import literal, within_text

_TEAM = '''"""All policies of the team {title}."""

from importlib import import_module

AGENTS = {modules}


class Team:
    """Every agent's own policy; what they remember of an episode is kept inside."""

    def __init__(self):
        """Read the weights."""
        self.policies = {{name: import_module(f".{{module}}", __name__).Policy() for name, module in AGENTS.items()}}

    def reset(self):
        """Begin an episode."""
        for policy in self.policies.values():
            policy.reset()

    def act(self, observations, infos=None):
        """The actions of the agents that observe something, from what PettingZoo's reset and step give.

        An action mask is taken from an observation that is a dictionary, or from the infos.
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

Each agent's policy alone, as a function of what that agent sees{remembering}. Actions are the deterministic ones,
those of `hamlet.load_policy(run).act(…)`; continuous ones lie within their bounds. Choices count as in
the environment's spaces. How the run's observations are standardised, if they are, is part of each policy.

Source: run `{run}`, Hamlet {version}. `manifest.json` says the same for programs. Before they were handed over, the
files were held against the policy on {checked_on} random observations; the largest difference was {difference}.

## Play

{play}

## Formats

{formats}

## Agents

{agents}
"""
_FORMATS = {
    "numpy": """### NumPy: `policies/AGENT.py` with `policies/AGENT.npz`

Needs NumPy alone; nothing is unpickled. One agent's two files work anywhere by themselves.

```python
from policies.{module} import Policy

policy = Policy()
policy.reset()  # at the start of every episode
action = policy.act(observation{masked})
```

`policy.distribution(observation)` gives every output by name. `compute`, at the end of the file, is the whole policy
as a pure function.""",
    "onnx": """### ONNX: `policies/AGENT.onnx`

Opset 18. Every input and output has one more axis in front than the tables say, `batch`: any number of observations at
once. Types are those of the tables: a mask is of booleans, `np.asarray(mask, bool)`. Inputs that may be left out have
their defaults in the file, of which onnxruntime warns when it reads it.

```python
import onnxruntime

session = onnxruntime.InferenceSession("policies/{module}.onnx")
action, {rest} = session.run(None, {{{seen}{given}}})  # of one observation: action[0]
```
""",
    "stablehlo": """### StableHLO: `policies/AGENT.stablehlo`

Written by `jax.export` for CPU, CUDA, ROCm and TPU; needs JAX. All inputs are given, in their order; the outputs come
in theirs.

```python
import jax

with open("policies/{module}.stablehlo", "rb") as file:
    policy = jax.export.deserialize(bytearray(file.read()))
action, {rest} = policy.call({arguments})
```

`policy.mlir_module()` is its text, `policy.mlir_module_serialized` its portable bytes for other compilers.""",
}
_UNKNOWN = """No program to play them is written, as this environment has no known home outside of Hamlet. Wherever you
have it: at the start of an episode `team = policies.Team()` or `team.reset()`, and at every step
`actions = team.act(observations)`, both by agent, with the observations laid out as below."""


def team(modules: dict[str, str], title: str) -> str:
    """The module of all policies.

    Args:
        modules: The name of every agent's module, by agent.
        title: What they are, as a docstring may hold it.
    """
    lines = "".join(f"    {literal(name)}: {literal(module)},\n" for name, module in modules.items())
    return _TEAM.format(title=title, modules="{\n" + lines + "}")


def text(document: dict[str, Any], title: str, play: str | None) -> str:
    """The README.

    Args:
        document: The manifest.
        title: What they are.
        play: The program beside it that plays them, or None.
    """
    agents = document["agents"]
    first = next(iter(agents.values()))
    kinds = first["files"]
    if play is not None:
        played = f"`python play.py`, from this directory:\n\n```python\n{play}```"
    elif "numpy" not in kinds:
        played = "A program that plays them is written where `numpy` is among the formats."
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
        remembering=" and remembers" if any(len(_names(agent) & {"memory"}) for agent in agents.values()) else "",
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
    head = "| | name | type | shape | what it is |\n|---|---|---|---|---|\n"
    return f"### `{within_text(name)}`\n\nIn {files}.\n\n{head}" + "\n".join(rows)
