"""How far it is from a call of ``hamlet.train`` to the compiled step."""

import sys

import pytest

import hamlet
from games import Pot
from hamlet.backends import host_backend, jax_backend
from hostgames import OnHost


@pytest.mark.parametrize("module", [jax_backend, host_backend], ids=["compiled", "hosted"])
def test_from_train_to_the_compiled_step_there_are_at_most_six_packages(tmp_path, monkeypatch, module):
    program = {"jax_backend": "JaxProgram", "host_backend": "HostProgram"}[module.__name__.rpartition(".")[2]]
    original, stacks = getattr(module, program).call, []

    def call(self, *arguments, **options):
        frame, packages = sys._getframe(), []
        while frame is not None:
            name = frame.f_globals.get("__name__", "")
            packages += [name.split(".")[1]] if name.startswith("hamlet.") else []
            frame = frame.f_back
        stacks.append(packages)
        return original(self, *arguments, **options)

    monkeypatch.setattr(getattr(module, program), "call", call)
    env = Pot() if module is jax_backend else OnHost(Pot())
    algorithm = hamlet.algorithms.happo(hidden=(8,), num_envs=4, rollout_length=4, epochs=1)
    hamlet.train(algorithm, env, steps=16, out=tmp_path / "run", quiet=True, evaluate_episodes=0)
    assert stacks and "training" in stacks[0]
    assert all(len(set(packages)) + 1 <= 6 for packages in stacks), stacks[0]  # and the backend that is called
