"""COMA: as published, and ours.

Published are the settings of Foerster et al., 2018, arXiv:1705.08926, and of its code: eight episodes a batch, one step
of the actors and one of the critic for every time step of it, targets copied every 200 of those, TD(0.8), RMSprop with
5·10⁻⁴, gradients cut at 10, ε from 0.5 to 0.01 within 100,000 steps, parameters shared. They were found on StarCraft,
whose agents had a memory; episodes of MPE have 25 steps, and everything there is seen. For their critic's input, see
`hamlet.estimation.counterfactual`.
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

# Values in units of their deviation, a horizon as short as the episodes', Adam, and a little entropy.
TUNED_MPE = {
    "coma": partial(PAPER_MPE["coma"], optimiser="adam", entropy=0.01, normalise_values=True, discount=0.95),
}
