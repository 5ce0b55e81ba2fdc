"""Every public function called wrongly, as a program: each must refuse in one line and begin nothing.

It prints what is wrong, as JSON: the calls that were not refused so. It runs apart from the other tests, which check
types on their own.
"""

import json
import sys
from pathlib import Path

import numpy as np

import hamlet
from hamlet import algorithms, envs

SMALL = {"num_envs": 2, "rollout_length": 4, "epochs": 1, "critic_epochs": 1, "hidden": (8,)}
TASK = ("happo", "matrix/climbing")
HAPPO, HATD3, QMIX = algorithms.happo, algorithms.hatd3, algorithms.qmix


class Thing:
    """No environment, and no algorithm."""


def calls(run, policy):
    """The wrong calls, by what is wrong with them."""
    seen = {name: np.zeros(space.shape) for name, space in policy_spaces(policy).items()}
    first = next(iter(seen))
    train, evaluate, load = hamlet.train, hamlet.evaluate, hamlet.load_policy
    return {
        "train: nothing": lambda: train(),
        "train: no environment": lambda: train("happo"),
        "train: steps as a word": lambda: train(*TASK, steps="2M"),
        "train: steps as a fraction": lambda: train(*TASK, steps=2.5),
        "train: no step": lambda: train(*TASK, steps=0),
        "train: too many steps": lambda: train(*TASK, steps=10**30),
        "train: an unknown algorithm": lambda: train("hapo", "matrix/climbing", steps=8),
        "train: a factory": lambda: train(HAPPO, "matrix/climbing", steps=8),
        "train: a thing for an algorithm": lambda: train(Thing(), "matrix/climbing", steps=8),
        "train: a number for an algorithm": lambda: train(5, "matrix/climbing", steps=8),
        "train: an unknown environment": lambda: train("happo", "mpe/simple_spraed", steps=8),
        "train: a thing for an environment": lambda: train("happo", Thing(), steps=8),
        "train: a class of no environment": lambda: train("happo", Thing, steps=8),
        "train: None for an environment": lambda: train("happo", None, steps=8),
        "train: a module that is not there": lambda: train("happo", "no_such_module:env", steps=8),
        "train: a function that is not there": lambda: train("happo", "json:env", steps=8),
        "train: an unknown keyword": lambda: train(*TASK, steps=8, clipp=0.1),
        "train: a hyperparameter of others": lambda: train(*TASK, steps=8, radius=0.1),
        "train: a hyperparameter of a wrong type": lambda: train(*TASK, steps=8, hidden=64),
        "train: a hyperparameter out of range": lambda: train(*TASK, steps=8, clip=-1.0),
        "train: hyperparameters beside a declaration": lambda: train(HAPPO(), "matrix/climbing", steps=8, clip=0.1),
        "train: a preset beside a declaration": lambda: train(HAPPO(), "matrix/climbing", steps=8, preset="paper/mpe"),
        "train: an unknown preset": lambda: train(*TASK, steps=8, preset="paper/mpf"),
        "train: a preset of others": lambda: train(*TASK, steps=8, preset="paper/value"),
        "train: a negative seed": lambda: train(*TASK, steps=8, seed=-1),
        "train: a seed as a word": lambda: train(*TASK, steps=8, seed="0"),
        "train: no seeds": lambda: train(*TASK, steps=8, seeds=0),
        "train: a seed twice": lambda: train(*TASK, steps=8, seeds=[1, 1]),
        "train: seeds as words": lambda: train(*TASK, steps=8, seeds=["a"]),
        "train: a number for a directory": lambda: train(*TASK, steps=8, out=5),
        "train: a taken directory": lambda: train(*TASK, steps=8, out=run.path),
        "train: checkpoints every 0 steps": lambda: train(*TASK, steps=8, checkpoint_every=0),
        "train: evaluations every 0 steps": lambda: train(*TASK, steps=8, evaluate_every=0),
        "train: fewer than no episodes": lambda: train(*TASK, steps=8, evaluate_episodes=-1),
        "train: an unknown mode": lambda: train(*TASK, steps=8, evaluate_mode="greedy"),
        "train: an unknown device": lambda: train(*TASK, steps=8, device="cuda"),
        "train: networks of no run": lambda: train(*TASK, steps=8, init_from="nowhere"),
        "train: networks of other shapes": lambda: train(*TASK, steps=8, init_from=run, hidden=(9,)),
        "train: no part": lambda: train(*TASK, steps=8, gradient_accumulation=0),
        "train: a word for a callback": lambda: train(*TASK, steps=8, callback="stop"),
        "train: a word for a return": lambda: train(*TASK, steps=8, stop_at="high"),
        "train: actions that it cannot take": lambda: train("hatd3", "matrix/climbing", steps=8),
        "resume: nothing": lambda: hamlet.resume(),
        "resume: no run": lambda: hamlet.resume("nowhere"),
        "resume: a number": lambda: hamlet.resume(5),
        "resume: done": lambda: hamlet.resume(run),
        "resume: steps as a word": lambda: hamlet.resume(run, steps="2M"),
        "resume: an unknown keyword": lambda: hamlet.resume(run, step=100),
        "evaluate: no run": lambda: evaluate("nowhere"),
        "evaluate: a file": lambda: evaluate(run.path / "config.json"),
        "evaluate: no episode": lambda: evaluate(run, episodes=0),
        "evaluate: episodes as a fraction": lambda: evaluate(run, episodes=1.5),
        "evaluate: an unknown agent": lambda: evaluate(run, at_random=["nobody"]),
        "evaluate: a word for agents": lambda: evaluate(run, at_random="agent_0"),
        "evaluate: everybody at random": lambda: evaluate(run, at_random=list(seen)),
        "evaluate: no step": lambda: evaluate(run, max_episode_steps=0),
        "evaluate: a negative seed": lambda: evaluate(run, seed=-1),
        "evaluate: an unknown keyword": lambda: evaluate(run, episode=5),
        "load_policy: no run": lambda: load("nowhere"),
        "load_policy: no best policy": lambda: load(run, best=True),
        "load_policy: a negative seed": lambda: load(run, seed=-1),
        "policy: an unknown agent": lambda: policy.act({"nobody": seen[first]}),
        "policy: an observation of another shape": lambda: policy.act(seen | {first: np.zeros(77)}),
        "policy: a mask of another shape": lambda: policy.act(seen, available={first: [True]}),
        "policy: no state": lambda: policy.value(),
        "policy: a state of another shape": lambda: policy.value(np.zeros(77)),
        "export: no run": lambda: hamlet.export("nowhere"),
        "export: an unknown format": lambda: hamlet.export(run, "e", formats=["tflite"]),
        "export: a word for formats": lambda: hamlet.export(run, "e", formats="numpy"),
        "export: no format": lambda: hamlet.export(run, "e", formats=[]),
        "export: a taken directory": lambda: hamlet.export(run, run.path),
        "report: nothing": lambda: hamlet.report(),
        "report: no run": lambda: hamlet.report("nowhere"),
        "report: a number": lambda: hamlet.report(5),
        "crossplay: one run": lambda: hamlet.crossplay(run),
        "crossplay: no run": lambda: hamlet.crossplay(run, "nowhere"),
        "crossplay: no game": lambda: hamlet.crossplay(run, run.path / "best", episodes=0),
        "load_runs: nowhere": lambda: hamlet.load_runs("nowhere"),
        "envs.make: an unknown name": lambda: envs.make("mpe/spread"),
        "envs.make: an unknown option": lambda: envs.make("mpe/simple_spread", agent=2),
        "envs.make: an option out of range": lambda: envs.make("mpe/simple_spread", agents=0),
        "from_pettingzoo: no function": lambda: envs.from_pettingzoo(5),
        "from_pettingzoo: a lambda": lambda: envs.from_pettingzoo(lambda: None),
        "from_pettingzoo: no place": lambda: envs.from_pettingzoo("mpe2"),
        "happo: an unknown keyword": lambda: HAPPO(clipp=0.1),
        "happo: a width for widths": lambda: HAPPO(hidden=64),
        "happo: a word for a number": lambda: HAPPO(clip="0.2"),
        "happo: an unknown order": lambda: HAPPO(order="backwards"),
        "happo: an unknown activation": lambda: HAPPO(activation="swish"),
        "happo: no epoch": lambda: HAPPO(epochs=0),
        "happo: no copy": lambda: HAPPO(num_envs=0),
        "happo: a discount above 1": lambda: HAPPO(discount=1.5),
        "hatd3: no noise": lambda: HATD3(exploration_noise="none"),
        "qmix: an unknown optimiser": lambda: QMIX(optimiser="sgd"),
        "algorithms.make: an unknown name": lambda: algorithms.make("hapo"),
        "algorithms.make: an unknown keyword": lambda: algorithms.make("happo", clipp=0.1),
    }


def policy_spaces(policy):
    """What every agent observes."""
    return {
        name: space
        for group in policy.roster.groups
        for name, space in zip(group.names, [group.observation] * len(group.names), strict=True)
    }


def complaint(call):
    """What is wrong with how a call is refused; None where it is well."""
    before = set(Path().rglob("*"))
    try:
        call()
    except (hamlet.RequestError, hamlet.RunError) as error:
        if "\n" in str(error) or not str(error):
            return f"not one line: {error}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    else:
        return "it was taken"
    new = sorted(str(path) for path in set(Path().rglob("*")) - before)
    return f"it left {new}" if new else None


def main():
    run = hamlet.train(*TASK, steps=16, out="run", quiet=True, evaluate_episodes=0, **SMALL)
    policy = hamlet.load_policy(run)
    table = calls(run, policy)
    complaints = {name: complaint(call) for name, call in table.items()}
    print(json.dumps([len(table), {name: line for name, line in complaints.items() if line is not None}]))


if __name__ == "__main__":
    sys.exit(main())
