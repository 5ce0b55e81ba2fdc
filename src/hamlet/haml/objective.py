"""What one unit maximises while the others stand still, and the experience it is measured on."""

from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from hamlet.distributions import Distribution
from hamlet.estimation.returns import mean
from hamlet.haml.drift import Drift
from hamlet.networks.heads import AnyActor
from hamlet.types import Info, Scalar


class Experience(eqx.Module):
    """One unit's share of a batch: B sequences of L steps (its K agents one after another within each copy's chunk).

    A group's experience is stacked by unit; what follows is of one.

    Attributes:
        observation: As networks take it, ``[B, L, O]``, or images ``[B, L, H, W, C]``.
        action: ``[B, L, …]``.
        available: Which discrete choices were allowed, ``[B, L, A]``, or None.
        alive: Which steps count: an absent agent has no part in any mean, nor in M; ``[B, L]``, or None.
        start: True where an episode begins, ``[B, L]``.
        memory: Before the first step of each sequence, ``[B, H]``, or None.
        advantage: Standardised over the unit's living steps, ``[B, L]``.
        agents: K.
    """

    observation: Array
    action: Array
    available: Bool[Array, "*units B L A"] | None
    alive: Bool[Array, "*units B L"] | None
    start: Bool[Array, "*units B L"]
    memory: Float[Array, "*units B H"] | None
    advantage: Float[Array, "*units B L"]
    agents: int = eqx.field(static=True)

    def policy(self, actor: AnyActor) -> Distribution:
        """The actor's distribution at every step."""
        return actor(self.observation, self.memory, self.start, self.available)[0]


class Terms(eqx.Module):
    """Means over the batch.

    Attributes:
        gain: What the theory maximises: E[ r·M Â − 𝔇 ], or E[ Q ].
        entropy: E[ H(π̄) ], nats.
        measures: What else is recorded.
    """

    gain: Scalar
    entropy: Scalar
    measures: Info


class Objective(eqx.Module):
    """E[ r·M Â − 𝔇(π̄‖π) ] of one unit, with M Â fixed and π its policy before the update.

    Its measures: ``divergence``, E[ r − 1 − log r ], an estimate of KL(π‖π̄) that costs nothing more, nats; and
    ``outside``, the share of steps whose ratio is more than 0.2 away from 1.
    """

    experience: Experience
    corrected: Float[Array, "B L"]
    old: Distribution
    drift: Drift = eqx.field(static=True)

    @property
    def size(self) -> int:
        """B, the number of sequences, which minibatches divide."""
        return self.corrected.shape[0]

    def take(self, index: Array) -> Self:
        """The objective on some of the sequences."""
        return jax.tree.map(lambda leaf: leaf[index], self)

    def ratio(self, new: Distribution) -> Float[Array, "B L"]:
        """The ratio r = π̄(a|o)/π(a|o); 1 for an absent agent."""
        action, alive = self.experience.action, self.experience.alive
        change = new.log_prob(action) - self.old.log_prob(action)
        # Masked before the exponential: an absent agent's action is junk, and an overflow would make the gradient NaN.
        return jnp.exp(change if alive is None else jnp.where(alive, change, 0.0))

    def __call__(self, actor: AnyActor) -> Terms:
        """All terms, from one evaluation of the policy."""
        new, alive = self.experience.policy(actor), self.experience.alive
        ratio = self.ratio(new)
        gain = ratio * self.corrected - self.drift(ratio, self.corrected, self.old, new)
        measures = {
            "divergence": mean(ratio - 1.0 - jnp.log(ratio), alive),
            "outside": mean((jnp.abs(ratio - 1.0) > 0.2).astype(jnp.float32), alive),
        }
        return Terms(mean(gain, alive), mean(new.entropy(), alive), measures)

    def kl(self, actor: AnyActor) -> Scalar:
        """E[ KL(π‖π̄) ], exact for each observation, nats."""
        return mean(self.old.kl(self.experience.policy(actor)), self.experience.alive)
