"""What an agent is credited with, by name: which estimator and which critic a declaration is made of."""

from dataclasses import replace
from typing import Any, Literal, TypeAlias

from hamlet.errors import require
from hamlet.estimation.advantage import Gae
from hamlet.estimation.counterfactual import CounterfactualValue
from hamlet.estimation.credit import Counterfactual, OptimalBaseline
from hamlet.estimation.critic import StateValue
from hamlet.haml.template import Haml

Credit: TypeAlias = Literal["gae", "counterfactual", "optimal_baseline"]
Baseline: TypeAlias = Literal["counterfactual", "optimal_baseline"]
BASELINES: dict[str, Any] = {"counterfactual": Counterfactual, "optimal_baseline": OptimalBaseline}


def credited(declared: Haml, name: Credit, samples: int) -> Haml:
    """A declaration with another estimator and another critic, under the settings of those that it has.

    Args:
        declared: It estimates advantages by `Gae` and a `StateValue`.
        name: "gae" for itself; "counterfactual" or "optimal_baseline" for what returns have over that baseline.
        samples: How many alternatives are drawn for an agent whose actions are no plain choices, at least 1.

    Raises:
        RequestError: If there is no such name, or the critics see nothing of what the others do.

    >>> from hamlet.algorithms import mappo
    >>> credited(mappo(gae_lambda=0.9), "optimal_baseline", 50).advantage
    OptimalBaseline(discount=0.99, lambda_=0.9, credited='returns')
    """
    require(name == "gae" or name in BASELINES, f"--advantage is gae, {' or '.join(BASELINES)}, not {name!r}")
    require(samples >= 1, f"--baseline-samples must be at least 1, not {samples}")
    if name == "gae":
        return declared
    back, critic = declared.advantage, declared.critic
    assert isinstance(back, Gae) and isinstance(critic, StateValue)
    require(
        critic.sees == "state" and critic.credits == "team",
        f"--advantage {name} asks what the others did, and here every agent's critic sees its own agent alone: "
        f"use --advantage gae, or mappo --advantage {name}",
    )
    values = CounterfactualValue(
        samples=samples,
        learning_rate=critic.learning_rate,
        epochs=critic.epochs,
        minibatches=critic.minibatches,
        clip=critic.clip,
        huber=critic.huber,
        max_gradient_norm=critic.max_gradient_norm,
        normalise=critic.normalise,
        decay=critic.decay,
    )
    estimator = BASELINES[name](discount=back.discount, lambda_=back.lambda_, credited="returns")
    return replace(declared, advantage=estimator, critic=values)
