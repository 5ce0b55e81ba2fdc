"""The advantage estimators of ``--advantage``, by name, each with the critic that it needs."""

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
    """Return a declaration with another advantage estimator and critic; their other settings are kept.

    Args:
        declared: A declaration that estimates advantages by `Gae` with a `StateValue` critic.
        name: "gae" returns the declaration unchanged. "counterfactual" and "optimal_baseline" use the return minus
            that baseline.
        samples: Number of alternative actions sampled for an agent whose action space is not Discrete, at least 1.

    Raises:
        RequestError: If the name is unknown, or the critics do not receive the other agents' actions.

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
        f"--advantage {name} needs a centralised critic, and here each agent's critic receives only its own agent's "
        f"observation: use --advantage gae, or mappo --advantage {name}",
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
