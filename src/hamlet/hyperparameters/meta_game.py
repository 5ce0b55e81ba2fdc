"""Hyperparameters of MATRL, of its ablations and of independent learners."""

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
    """The convolution of image observations.

    Attributes:
        filters: Number of filters of each convolutional layer, for images; () chooses layers that suit the image size.
        kernels: Kernel sizes of the convolutional layers, in pixels.
        strides: Strides of the convolutional layers, in pixels.
    """

    filters: tuple[int, ...] = ()
    kernels: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class IndependentOptions(ClipOptions, ActorOptions, CriticOptions, EstimationOptions, ImageOptions, FreshOptions):
    """Hyperparameters of agents with individual rewards and critics; the defaults are from MATRL's paper.

    Attributes:
        kl: Weight β ≥ 0 of the KL penalty towards the old policy, per nat.
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
        """Return the sum of the clipping drift and the KL drift."""
        return SumDrift((ClipDrift(self.clip), KlDrift(self.kl)))

    def network(self, **more: Any) -> NetworkConfig:
        """Return the configuration of layers without LayerNorm, with a convolution for images."""
        images = {"filters": self.filters, "kernels": self.kernels, "strides": self.strides}
        return super().network(plain=True, **images, **more)

    def declare(self, *, neighbourhood: Any, scheme: Any) -> Haml:
        """Return the declaration with a neighbourhood and a scheme."""
        return self.assemble(
            drift=self.drift(),
            neighbourhood=neighbourhood,
            scheme=scheme,
            advantage=Gae(discount=self.discount, lambda_=self.gae_lambda),
            critic=StateValue(sees="observation", credits="own", **self.fitting()),
        )


@dataclass(frozen=True, kw_only=True)
class MetaGameOptions(IndependentOptions):
    """Hyperparameters of the predicted policies, and of the meta-game between current and predicted policies.

    Attributes:
        learning_rate: Adam's learning rate for the predicted policies.
        epochs: Epochs over the batch for each agent's predicted policy.
        meta_clip: c > 0: policy ratios are clipped to 1 ± c before the ratios of several agents are multiplied.
    """

    learning_rate: float = 0.002
    meta_clip: float = 0.1

    def meta_game(self, solver: Any) -> MetaGame:
        """Return the game between keeping the current policy and taking the predicted one, solved by ``solver``."""
        return MetaGame(prediction=UnitStep(self.drift(), self.ascent()), solver=solver, clip=self.meta_clip)


@dataclass(frozen=True, kw_only=True)
class ResponseOptions(MetaGameOptions):
    """Hyperparameters of the best response to the solution of the meta-game.

    Attributes:
        response_learning_rate: Adam's learning rate for the best responses.
        response_epochs: Epochs over the batch for each agent's best response.
    """

    response_learning_rate: float = 0.002
    response_epochs: int = 5

    def respond(self, solver: Any) -> Haml:
        """Return the declaration in which agents respond to the solution of the meta-game."""
        response = replace(self.ascent(), learning_rate=self.response_learning_rate, epochs=self.response_epochs)
        return self.declare(neighbourhood=response, scheme=self.meta_game(solver))
