"""A policy as NumPy source, and its weights as arrays."""

from collections.abc import Sequence
from pprint import pformat
from typing import Any

import numpy as np

from hamlet.exporting.decision import ExportedAgent, Port
from hamlet.exporting.graph import FUNCTIONS, Node, needed
from hamlet.exporting.literals import within_text

_FILE = '''"""{title}

Made by `hamlet export`. It needs NumPy alone, and the weights in the .npz file of the same name beside it.

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
    """The policy of {name}; what it remembers of an episode is kept inside."""

    def __init__(self, weights=None):
        """Read the weights, from the file beside this one unless another is named."""
        with np.load(weights or Path(__file__).with_suffix(".npz"), allow_pickle=False) as kept:
            self._weights = [kept[f"w{{k}}"] for k in range({count})]
{all}        self.reset()

    def reset(self):
        """Begin an episode."""
        self._memory = {blank}

    def act(self, observation, available=None):
        """The deterministic action.

        observation: {observation}
        available: {available}
        """
        found = self._step(observation, available)
        self._memory = {memory}
        return {action}

    def distribution(self, observation, available=None):
        """All that the network gives, by name, as OUTPUTS says; the memory stays as it is."""
        found = self._step(observation, available)
        return {{name: np.array(x, kind) for (name, kind, _), x in zip(OUTPUTS, found)}}

    def _step(self, observation, available):
{seen}{prepare}        return compute(self._weights, {arguments})


{functions}def compute(weights, {arguments}):
    """Pure: {outs}."""
{body}
'''


def source(
    agent: ExportedAgent, module: str, title: str, outputs: Sequence[Port], nodes: Sequence[Node]
) -> tuple[str, dict[str, np.ndarray]]:
    """The text of the file of one agent, and the arrays of the file beside it.

    Args:
        agent: Whose it is.
        module: The name of the file, without its ending.
        title: Its first line, as a docstring may hold it.
        outputs: What it gives.
        nodes: The outputs.
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
        available="not taken" if masked is None else _spoken(masked),
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
    """The lines of the function, its weights, and what else it calls."""
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
        # Of two plain numbers NumPy would make wider ones.
        kinds = [operand.dtype.name if operand.is_constant and not operand.shape else "" for operand in node.inputs]
        names = [
            f"np.{kind}({name})" if kind not in ("", "bool") else name for kind, name in zip(kinds, names, strict=True)
        ]
    return node.source(*names)


def _literal(value: Any) -> str:
    """A number as Python writes it, which takes the type of what it meets."""
    number = value.item()
    if isinstance(number, float) and not np.isfinite(number):
        return f'float("{number}")'
    # Exact as a double, so that it is the same number as float32 again.
    return repr(number) if number >= 0 else f"({number!r})"


def _taken(path: tuple[str | int, ...], port: Port) -> str:
    """The lines that take one array out of an observation."""
    place = "".join(f"[{key!r}]" for key in path)
    return (
        f"        {port.name} = np.asarray(observation{place}, np.{port.dtype})\n"
        f"        if {port.name}.shape != {port.shape}:\n"
        f'            raise ValueError(f"the observation has shape {{{port.name}.shape}}, not {port.shape}")\n'
    )


def _seen(agent: ExportedAgent) -> str:
    """What is seen, in words; of several arrays, each by its keys."""
    words = [(path, _spoken(port)) for path, port, _ in agent.observed]
    return "; ".join("".join(f"[{key!r}]" for key in path) + (" " if path else "") + text for path, text in words)


def _is_choice(port: Port) -> bool:
    return not port.shape and port.dtype.startswith("int")


def _spoken(port: Port) -> str:
    return f"{port.dtype} {list(port.shape)}, {within_text(port.says)}"


def _listed(ports: Sequence[Port]) -> str:
    return pformat([(port.name, port.dtype, port.shape) for port in ports], width=100)
