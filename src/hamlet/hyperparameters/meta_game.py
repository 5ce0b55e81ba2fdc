"""What MATRL, its ablations and independent learners share."""

from dataclasses import dataclass, replace
from typing import Any

from hamlet.estimation.advantage import Gae
from hamlet.estimation.critic import StateValue
from hamlet.haml.drift import ClipDrift, KlDrift, SumDrift
from hamlet.haml.meta_game import MetaGame
from hamlet.haml.rates import AnyRates
from hamlet.haml.scheme import UnitStep
from hamlet.haml.template import Haml
from hamlet.hyperparameters.on_policy import ActorOptions, ClipOptions, CriticOptions, EstimationOptions, FreshOptions
from hamlet.networks.torso import NetworkConfig


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """Layers that images pass through first.

    Attributes:
        filters: How many filters each layer has that images pass through first; () for those that suit their size.
        kernels: Sizes of these filters, in pixels.
        strides: Every how many pixels they are laid.
    """

    filters: tuple[int, ...] = ()
    kernels: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class IndependentOptions(ClipOptions, ActorOptions, CriticOptions, EstimationOptions, ImageOptions, FreshOptions):
    """Agents with critics and rewards of their own, in the settings of MATRL's paper.

    Attributes:
        kl: β ≥ 0, the weight of the divergence from the old policy, per nat.
    """

    clip: float = 0.1
    kl: float = 0.001
    learning_rate: AnyRates = 0.002
    epochs: int = 10
    entropy: float = 0.05
    critic_learning_rate: float = 0.002
    critic_epochs: int = 10
    gae_lambda: float = 0.97
    rollout_length: int = 100

    def drift(self) -> SumDrift:
        """The clipped ratio's and the divergence's."""
        return SumDrift((ClipDrift(self.clip), KlDrift(self.kl)))

    def network(self, **more: Any) -> NetworkConfig:
        """Plain layers, and filters for images."""
        images = {"filters": self.filters, "kernels": self.kernels, "strides": self.strides}
        return super().network(plain=True, **images, **more)

    def declare(self, *, neighbourhood: Any, scheme: Any) -> Haml:
        """The declaration of a neighbourhood and a scheme."""
        return self.assemble(
            drift=self.drift(),
            neighbourhood=neighbourhood,
            scheme=scheme,
            advantage=Gae(discount=self.discount, lambda_=self.gae_lambda),
            critic=StateValue(sees="observation", credits="own", **self.fitting()),
        )


@dataclass(frozen=True, kw_only=True)
class MetaGameOptions(IndependentOptions):
    """A step that is predicted, and the meta-game between keeping a policy and taking it.

    Attributes:
        learning_rate: Of the predictions, by Adam.
        epochs: Passes over the batch for each agent's prediction.
        meta_clip: c > 0: ratios between policies are held in 1 ± c where those of several agents are multiplied.
    """

    learning_rate: float = 0.002
    meta_clip: float = 0.1

    def meta_game(self, solver: Any) -> MetaGame:
        """The game between keeping a policy and taking the predicted one, solved by ``solver``."""
        return MetaGame(prediction=UnitStep(self.drift(), self.ascent()), solver=solver, clip=self.meta_clip)


@dataclass(frozen=True, kw_only=True)
class ResponseOptions(MetaGameOptions):
    """A response to what the meta-game chose.

    Attributes:
        response_learning_rate: Of the responses, by Adam.
        response_epochs: Passes over the batch for each agent's response.
    """

    response_learning_rate: float = 0.002
    response_epochs: int = 5

    def respond(self, solver: Any) -> Haml:
        """Agents respond to the solution of the meta-game."""
        response = replace(self.ascent(), learning_rate=self.response_learning_rate, epochs=self.response_epochs)
        return self.declare(neighbourhood=response, scheme=self.meta_game(solver))
