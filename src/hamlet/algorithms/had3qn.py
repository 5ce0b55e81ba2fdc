"""Heterogeneous-agent duelling double deep Q-network (HAD3QN).

HADDPG with values in the place of policies: a critic with one output for each joint action, fitted to

    y = r + γ Q̂(s′, a*),   a*ⁱ = argmax Q̂ⁱ(o′ⁱ, ·),

and agents who act ε-greedily on their own values. These they regress, one after another in a fresh random order, on
what the critic says of the joint action in which those before them already play the critic's choice,

    Q^{i_m}(o, a^{i_m}) → Q(s, a*^{i_1…i_{m−1}}, a^{i_m}, a^{i_{m+1}…i_n}),
    a*^{i_m} = argmax over b of Q(s, a*^{i_1…i_{m−1}}, b, a^{i_{m+1}…i_n}).

Both are duelling networks. It approximates HADDPG and is no mirror step: nothing is promised of it. The critic grows
with the product of all agents' choices, so that it is for few agents with few of them. With one agent the critic is a
duelling double DQN whose next actions a slower network chooses, and the agent's own values follow the critic's.

``rest`` says what stands in the slots of those who have yet to move. "replay", the published algorithm: the actions
that were played, so that all of an agent's choices are visited. "greedy", the published code: the best by their own
values, so that a choice is learnt about only while it seems the best, and never where its first value is too low. Where
rewards are costs, as in MPE, first values are too high and all choices get their turn.

``regress`` says at which of its choices an agent regresses there. "taken", as published: at that in its slot. A choice
that was taken in good states then seems good, whatever it brought: in a game of signals the sender keeps to the one it
sent last. "all", ours: at every available choice, since the critic has said what each is worth.

References: Zhong et al., 2024 (HARL), arXiv:2304.09870, appendix I and algorithm 8; Wang et al., 2016, arXiv:1511.06581
(duelling); van Hasselt et al., 2016, arXiv:1509.06461 (double).

Differences from the reference code: (1) ``rest`` and ``regress``; (2) each agent of each copy draws for itself whether
it explores, where the code draws once per agent for all copies, and what is not available is neither drawn nor taken
for the best; (3) absent agents are left out of the regression; (4) samples are drawn with replacement, at a cost that
does not grow with the buffer; (5) steps of the warm-up count as environment steps; (6) agents of unlike choices are
not padded.
"""

from typing import Literal

from hamlet.estimation.advantage import NStep
from hamlet.estimation.joint_value import JointActionValue
from hamlet.haml.sampling import ReplaySampling
from hamlet.haml.scheme import Order, Sequential
from hamlet.learners.value import JointValue
from hamlet.networks.duelling import Greedy
from hamlet.networks.torso import NetworkConfig
from hamlet.roster import Sharing


def had3qn(
    *,
    learning_rate: float = 5e-4,
    critic_learning_rate: float = 1e-3,
    discount: float = 0.95,
    n_step: int = 1,
    exploration: float = 0.05,
    rest: Literal["replay", "greedy"] = "replay",
    regress: Literal["taken", "all"] = "taken",
    polyak: float = 0.005,
    batch_size: int = 1000,
    buffer_size: int = 1_000_000,
    warmup: int = 10_000,
    hidden: tuple[int, ...] = (128, 128),
    duelling_hidden: int = 128,
    copies: int = 20,
    steps_per_rollout: int = 50,
    updates_per_rollout: int = 50,
    order: Order = "random",
    sharing: Sharing = "none",
) -> JointValue:
    """HAD3QN: agents' own values follow those of a critic of joint actions, one after another.

    Args:
        learning_rate: Of the agents' networks, by Adam.
        critic_learning_rate: Of the critic, by Adam.
        discount: γ in [0, 1].
        n_step: Steps of a return before it bootstraps.
        exploration: ε in [0, 1), how often an agent's action is drawn evenly.
        rest: What the agents that have yet to move are taken to play: "replay", what they did, or "greedy".
        regress: At which of its choices an agent regresses in a replayed state: the one "taken", or "all".
        polyak: τ in (0, 1], how far targets move in one update.
        batch_size: Environment steps of one update.
        buffer_size: Environment steps remembered.
        warmup: Environment steps played at random before the first update.
        hidden: Widths of the hidden layers before networks branch.
        duelling_hidden: Width of the hidden layer of each branch.
        copies: Environment copies stepped together.
        steps_per_rollout: Steps of each copy between two rounds of updates.
        updates_per_rollout: Updates in a round.
        order: "random", anew each time, or "fixed".
        sharing: "none", or "group": one set of parameters for agents of equal spaces.
    """
    return JointValue(
        learning_rate=learning_rate,
        rest=rest,
        regress=regress,
        sampling=ReplaySampling(
            copies=copies,
            steps=steps_per_rollout,
            capacity=buffer_size,
            samples=batch_size,
            updates=updates_per_rollout,
            warmup=warmup,
        ),
        scheme=Sequential(order),
        advantage=NStep(discount=discount, steps=n_step),
        critic=JointActionValue(learning_rate=critic_learning_rate, polyak=polyak, width=duelling_hidden),
        actor=Greedy(exploration, duelling_hidden),
        body=NetworkConfig(hidden=hidden, plain=True),
        sharing=sharing,
    )
