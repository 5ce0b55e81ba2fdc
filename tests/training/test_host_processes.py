"""Runs on environments in worker processes: what is killed, and what is left."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import hamlet
from hamlet.backends import host_backend
from hamlet.checkpoints import checkpoint
from hamlet.envs import from_pettingzoo
from hamlet.runs.metrics import Metrics
from hamlet.training.run import SavedRun
from pieces import same

pytestmark = pytest.mark.usefixtures("programs_once")

COPIES, STEPS = 4, 8
BATCH = COPIES * STEPS


def children(pid=None):
    """The processes begun by this one, or by another."""
    pid = pid or os.getpid()
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pids):
    """Whether processes end within five seconds; who waits for its parent to ask is as good as gone."""
    until = time.monotonic() + 5.0
    while time.monotonic() < until:
        states = [
            path.read_text().rsplit(")")[1].split()[0] for pid in pids if (path := Path(f"/proc/{pid}/stat")).exists()
        ]
        if set(states) <= {"Z"}:
            return True
        time.sleep(0.05)
    return False


def train(path, *, processes=2, iterations=3):
    env = from_pettingzoo("doubles:Mortal", copies=COPIES, processes=processes)
    algorithm = hamlet.algorithms.happo(hidden=(16,), num_envs=COPIES, rollout_length=STEPS)
    return hamlet.train(
        algorithm, env, steps=iterations * BATCH, out=path, quiet=True, checkpoint_every=BATCH, evaluate_episodes=0
    )


def test_a_worker_that_is_killed_is_counted_and_told_and_the_run_goes_on(tmp_path, monkeypatch, capsys):
    before, real, calls = set(children()), host_backend.rollout, itertools.count()

    def rollout(games, *rest):
        if next(calls) == 1:
            os.kill(next(pid for pid in children() if pid not in before), signal.SIGKILL)
        return real(games, *rest)

    monkeypatch.setattr(host_backend, "rollout", rollout)
    run = train(tmp_path / "a")
    assert int(run.training().iteration) == 3
    with Metrics(run.directory.metrics) as metrics:
        failures = metrics.read("environment/failures")[1]
    said = [line for line in capsys.readouterr().err.splitlines() if "SIGKILL" in line]
    np.testing.assert_array_equal(failures, [0, len(said), 0])
    assert said and "copy" in said[0] and "seed" in said[0]
    assert gone([pid for pid in children() if pid not in before])


@pytest.mark.slow
def test_the_number_of_processes_changes_no_bit(tmp_path):
    runs = [train(tmp_path / str(processes), processes=processes, iterations=2) for processes in (1, 4)]
    assert same(*(run.training() for run in runs))


SCRIPT = """
import sys
import hamlet
from hamlet.envs import from_pettingzoo

if __name__ == "__main__":
    env = from_pettingzoo("doubles:Mortal", copies=4, processes=2)
    algorithm = hamlet.algorithms.happo(hidden=(16,), num_envs=4, rollout_length=8)
    hamlet.train(algorithm, env, steps=10**7, out=sys.argv[1], quiet=True, checkpoint_every=32, evaluate_episodes=0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_ended_from_outside_leaves_no_process_and_goes_on_from_its_checkpoint(tmp_path, number):
    path = tmp_path / "a"
    tests = str(Path(__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((tests, os.environ.get("PYTHONPATH", "")))}
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, path], env=environment, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not checkpoint.steps(path / "checkpoints"):
        time.sleep(0.05)
    workers = children(process.pid)
    assert len(workers) == 2
    process.send_signal(number)
    said = process.communicate(timeout=10)[1]
    assert gone(workers)
    saved = checkpoint.steps(path / "checkpoints")[-1]
    assert number == signal.SIGKILL or f"stopped as requested at {saved} steps" in said
    run = SavedRun(path)
    done = int(run.training().iteration)
    assert done * BATCH == saved
    hamlet.resume(path, steps=saved + BATCH, quiet=True)
    assert int(run.training().iteration) == done + 1


TWO_DEVICES = """
import json, sys
import jax, numpy as np
from games import MaskedRecurrent
from hamlet.algorithms import happo
from hamlet.backends.host_backend import HostBackend
from hostgames import OnHost

env = OnHost(MaskedRecurrent())
algorithm = happo(hidden=(16,), rnn_size=8, sequence_length=5, num_envs=4, rollout_length=10)

def run(devices):
    program = HostBackend(env).compile(algorithm, devices, 3)
    training = program.place(HostBackend(env).begin(algorithm)(3))
    training, _ = program.call(training, 2, 2)
    program.close()
    return training

one, two = (run(jax.devices()[:count]) for count in (1, 2))
leaves = [[np.asarray(leaf) for leaf in jax.tree.leaves(t.learner)] for t in (one, two)]
print(json.dumps({
    "difference": max(float(np.abs(a - b).max()) for a, b in zip(*leaves) if a.size),
    "replicated": [len(leaf.sharding.device_set) for leaf in jax.tree.leaves(two.learner.team.actors)],
    "shared": [leaf.addressable_shards[0].data.shape[1] for leaf in two.learner.memory],
}))
"""


@pytest.mark.slow
def test_two_devices_learn_what_one_does_from_games_on_the_host():
    tests = str(Path(__file__).parents[1])
    environment = os.environ | {
        "XLA_FLAGS": os.environ["XLA_FLAGS"] + " --xla_force_host_platform_device_count=2",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join((tests, os.environ.get("PYTHONPATH", ""))),
    }
    done = subprocess.run([sys.executable, "-c", TWO_DEVICES], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["difference"] < 1e-5 and set(report["replicated"]) == {2} and report["shared"] == [2]
