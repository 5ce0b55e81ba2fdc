"""Export of a policy as Python source code for NumPy, with its weights as arrays."""

from collections.abc import Sequence
from pprint import pformat
from typing import Any

import numpy as np

from hamlet.exporting.decision import ExportedAgent, Port
from hamlet.exporting.graph import FUNCTIONS, Node, needed
from hamlet.exporting.literals import within_text

_FILE = '''"""{title}

Written by `hamlet export`. It needs only NumPy, and the weights in the .npz file with the same name in this directory.

    from {module} import Policy

    policy = Policy()
    policy.reset()  # at the start of every episode
    action = policy.act(observation)
"""

{imports}from pathlib import Path

import numpy as np

INPUTS = {inputs}
OUTPUTS = {outputs}


class Policy:
    """The policy of {name}. The object stores the memory of an episode."""

    def __init__(self, weights=None):
        """Read the weights from a file; None for the .npz file with the name of this file."""
        with np.load(weights or Path(__file__).with_suffix(".npz"), allow_pickle=False) as kept:
            self._weights = [kept[f"w{{k}}"] for k in range({count})]
{all}        self.reset()

    def reset(self):
        """Start an episode: clear the memory."""
        self._memory = {blank}

    def act(self, observation, available=None):
        """Return the deterministic action.

        observation: {observation}
        available: {available}
        """
        found = self._step(observation, available)
        self._memory = {memory}
        return {action}

    def distribution(self, observation, available=None):
        """Return all outputs of the network by name (see OUTPUTS). The memory does not change."""
        found = self._step(observation, available)
        return {{name: np.array(x, kind) for (name, kind, _), x in zip(OUTPUTS, found)}}

    def _step(self, observation, available):
{seen}{prepare}        return compute(self._weights, {arguments})


{functions}def compute(weights, {arguments}):
    """Return {outs}; a pure function."""
{body}
'''


def source(
    agent: ExportedAgent, module: str, title: str, outputs: Sequence[Port], nodes: Sequence[Node]
) -> tuple[str, dict[str, np.ndarray]]:
    """Return the source code of one agent's policy, and the arrays of its weights.

    Args:
        agent: The agent.
        module: The name of the file, without its ending.
        title: The first line of the file's docstring.
        outputs: The outputs of the policy.
        nodes: The nodes of the graph that compute the outputs, in the same order.
    """
    body, weights, functions = _body(nodes)
    ports = {port.name: port for port in agent.inputs}
    masked, memory = ports.get("available"), ports.get("memory")
    prepare = ""
    if masked is not None:
        prepare = (
            "        available = self._all if available is None else np.asarray(available, bool)\n"
            f"        if available.shape != {masked.shape}:\n"
            f'            raise ValueError(f"available has shape {{available.shape}}, not {masked.shape}")\n'
        )
    if memory is not None:
        prepare += "        memory = self._memory\n"
    text = _FILE.format(
        title=title,
        module=module,
        name=within_text(agent.name),
        imports="import math\n" if "_erf" in functions else "",
        inputs=_listed(agent.inputs),
        outputs=_listed(outputs),
        count=len(weights),
        blank="None" if memory is None else f"np.zeros({memory.shape}, np.float32)",
        observation=_seen(agent),
        available="not used" if masked is None else _spoken(masked),
        memory="None" if memory is None else "found[1]",
        action="int(found[0])" if _is_choice(outputs[0]) else f"np.array(found[0], np.{outputs[0].dtype})",
        seen="".join(_taken(path, port) for path, port, _ in agent.observed),
        all="" if masked is None else f"        self._all = np.ones({masked.shape}, bool)\n",
        prepare=prepare,
        arguments=", ".join(ports),
        functions="".join(f"{FUNCTIONS[key]}\n\n" for key in functions),
        outs=", ".join(port.name for port in outputs),
        body=body,
    )
    return text, weights


def _body(outputs: Sequence[Node]) -> tuple[str, dict[str, np.ndarray], list[str]]:
    """Return the lines of `compute`, its weights, and the names of the functions that it calls."""
    nodes = needed(outputs)
    words: dict[int, str] = {}
    weights: dict[str, np.ndarray] = {}
    lines: list[str] = []
    for node in nodes:
        if node.operation == "input":
            words[id(node)] = node.attributes["name"]
        elif node.is_constant and not node.shape:
            words[id(node)] = _literal(node.value)
        elif node.is_constant:
            words[id(node)] = f"w{len(weights)}"
            weights[words[id(node)]] = node.value
    for node in nodes:
        if id(node) not in words:
            words[id(node)] = f"v{len(lines)}"
            lines.append(f"{words[id(node)]} = {_line(node, words)}")
    functions = [name for name in FUNCTIONS if any(f"= {name}(" in line for line in lines)]
    if weights:
        lines.insert(0, f"{', '.join(weights)}{',' if len(weights) == 1 else ''} = weights")
    lines.append(f"return {', '.join(words[id(node)] for node in outputs)}{',' if len(outputs) == 1 else ''}")
    return "\n".join(f"    {line}" for line in lines), weights, functions


def _line(node: Node, words: dict[int, str]) -> str:
    names = [words[id(operand)] for operand in node.inputs]
    if node.operation == "where":
        # With two Python numbers, np.where would return a wider type.
        kinds = [operand.dtype.name if operand.is_constant and not operand.shape else "" for operand in node.inputs]
        names = [
            f"np.{kind}({name})" if kind not in ("", "bool") else name for kind, name in zip(kinds, names, strict=True)
        ]
    return node.source(*names)


def _literal(value: Any) -> str:
    """Return a number as Python source code. In an operation with an array, it takes the array's type."""
    number = value.item()
    if isinstance(number, float) and not np.isfinite(number):
        return f'float("{number}")'
    # repr is exact for a double, so that the number has the same float32 value when it is read.
    return repr(number) if number >= 0 else f"({number!r})"


def _taken(path: tuple[str | int, ...], port: Port) -> str:
    """Return the lines of source code that read one array of an observation."""
    place = "".join(f"[{key!r}]" for key in path)
    return (
        f"        {port.name} = np.asarray(observation{place}, np.{port.dtype})\n"
        f"        if {port.name}.shape != {port.shape}:\n"
        f'            raise ValueError(f"the observation has shape {{{port.name}.shape}}, not {port.shape}")\n'
    )


def _seen(agent: ExportedAgent) -> str:
    """Describe the observation; if it has several arrays, describe each one after its keys."""
    words = [(path, _spoken(port)) for path, port, _ in agent.observed]
    return "; ".join("".join(f"[{key!r}]" for key in path) + (" " if path else "") + text for path, text in words)


def _is_choice(port: Port) -> bool:
    return not port.shape and port.dtype.startswith("int")


def _spoken(port: Port) -> str:
    return f"{port.dtype} {list(port.shape)}, {within_text(port.says)}"


def _listed(ports: Sequence[Port]) -> str:
    return pformat([(port.name, port.dtype, port.shape) for port in ports], width=100)
