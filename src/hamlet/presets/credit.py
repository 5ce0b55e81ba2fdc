"""Presets of COMA: as published, and as tuned for Hamlet.

``PAPER_MPE`` has the settings of Foerster et al., 2018, arXiv:1705.08926, and of its code:

* eight episodes in a batch; for each batch one step of the actors, and one step of the critic for every time step;
* targets copied every 200 steps of the critic, and TD(0.8) returns;
* RMSprop with learning rate 5·10⁻⁴, and gradients clipped at norm 10;
* ε from 0.5 to 0.01 over 100,000 environment steps;
* shared parameters.

They were tuned on StarCraft with recurrent agents. Episodes of MPE have 25 steps and are fully observed. For the input
of the critic, see `hamlet.estimation.counterfactual`.
"""

from functools import partial

from hamlet.algorithms import coma

PAPER_MPE = {
    "coma": partial(
        coma,
        learning_rate=5e-4,
        optimiser="rmsprop",
        entropy=0.0,
        critic_learning_rate=5e-4,
        critic_epochs=1,
        critic_minibatches=25,
        critic_clip=0.0,
        normalise_values=False,
        target_interval=200,
        exploration_start=0.5,
        exploration_end=0.01,
        exploration_steps=100_000,
        discount=0.99,
        td_lambda=0.8,
        hidden=(128, 128),
        num_envs=8,
        rollout_length=25,
        sharing="group",
    )
}

# Normalised values, a discount with a horizon as short as the episodes, Adam, and a small entropy bonus.
TUNED_MPE = {
    "coma": partial(PAPER_MPE["coma"], optimiser="adam", entropy=0.01, normalise_values=True, discount=0.95),
}
