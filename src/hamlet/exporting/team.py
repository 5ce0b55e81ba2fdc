"""The policies of a run's agents for export, each as a graph and as a function."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hamlet.envs.pettingzoo.description import Agent as Outside
from hamlet.errors import RequestError
from hamlet.exporting.axes import Untranslatable, squeezed
from hamlet.exporting.decision import ExportedAgent, Port
from hamlet.exporting.graph import Graph, Node
from hamlet.exporting.lowering import lower
from hamlet.networks.torso import NetworkConfig
from hamlet.roster import Roster


@dataclass(frozen=True, eq=False)
class Exported:
    """One agent's policy for export.

    Attributes:
        agent: The agent.
        outputs: The outputs of the policy.
        actor: The policy network.
        decide: The function from the network and the inputs to the outputs. Agents with equal spaces share it, so that
            it is compiled once.
        traced: The trace of this function.
    """

    agent: ExportedAgent
    outputs: tuple[Port, ...]
    actor: Any
    decide: Callable[[Any, dict[str, Any]], dict[str, Any]]
    traced: Any

    def __call__(self, *inputs: Any) -> tuple[Any, ...]:
        """Return the outputs in their order, from the inputs in their order."""
        given = {port.name: value for port, value in zip(self.agent.inputs, inputs, strict=True)}
        answer = self.decide(self.actor, given)
        return tuple(answer[port.name] for port in self.outputs)

    def nodes(self) -> list[Node]:
        """Return the outputs as nodes of a graph that contains the network's weights as constants.

        Raises:
            RequestError: The network uses an operation that cannot be translated.
        """
        graph = Graph()
        ports = {port.name: graph.input(port.name, port.shape, port.dtype) for port in self.agent.inputs}
        leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(self.actor)]
        flat = [graph.constant(leaf.reshape(squeezed(leaf.shape))) for leaf in leaves]
        flat += [graph.reshape(ports[name], squeezed(ports[name].shape)) for name in sorted(ports)]
        try:
            output_nodes = lower(graph, self.traced, flat)
        except Untranslatable as error:
            raise RequestError(
                f"the network of {self.agent.name} uses {error}, which has no translation to NumPy and ONNX; "
                "the nearest is --format stablehlo, which takes every network"
            ) from None
        # JAX traces the entries of a dictionary in the order of their names.
        by_name = dict(zip(sorted(port.name for port in self.outputs), output_nodes, strict=True))
        return [by_name[port.name] for port in self.outputs]


def policies(
    roster: Roster, actors: tuple[Any, ...], body: NetworkConfig, agents: Mapping[str, Outside]
) -> Iterator[Exported]:
    """Yield the policy of every agent, in the order of the groups.

    Args:
        roster: The agents.
        actors: For each group of agents, the stacked networks of its units. A unit is one set of policy parameters, of
            one agent or of all agents that share it.
        body: The configuration of the networks.
        agents: The spaces of each agent in its environment, by name.
    """
    for number, group in enumerate(roster.groups):
        single = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), actors[number])
        traces: dict[Any, tuple[Any, Any, Any]] = {}
        for place, name in enumerate(group.names):
            observation, done = agents[name].observation, agents[name].action
            agent = ExportedAgent(name, observation, done, group.observation, group.action, body.memory)
            if (observation, done) not in traces:
                decide = jax.jit(agent.decide)
                traces[observation, done] = decide, *jax.make_jaxpr(decide, return_shape=True)(single, agent.shapes())
            decide, traced, output_shapes = traces[observation, done]
            unit = place // roster.agents_per_unit(number)
            actor = jax.tree.map(lambda leaf, unit=unit: jnp.asarray(np.asarray(leaf)[unit]), actors[number])
            yield Exported(agent, agent.outputs(output_shapes), actor, decide, traced)
