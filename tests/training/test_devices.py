"""One code path over one device or several: what they compute, and where the games lie."""

import json
import os
import subprocess
import sys

import pytest

SCRIPT = """
import json, sys
import jax, jax.numpy as jnp, numpy as np
import hamlet
import hamlet.envs
from hamlet.algorithms import make
from hamlet.backends.jax_backend import begin_training, compile_program

name, env = sys.argv[1], hamlet.envs.make("mpe/simple_speaker_listener", continuous=False)
algorithm = make(name, hidden=(8,), num_envs=4, rollout_length=10)
outline = jax.eval_shape(lambda: begin_training(algorithm, env, 0))
start = jax.jit(lambda: begin_training(algorithm, env, 0))()

def run(devices):
    program = compile_program(algorithm, env, outline, devices)
    first, again = (program.call(program.place(start), jnp.int32(1), jnp.int32(1))[0] for _ in range(2))
    learnt = lambda t: [np.asarray(leaf) for leaf in jax.tree.leaves(t.learner)]
    equal = all((a == b).all() for a, b in zip(learnt(first), learnt(again)))
    return first, learnt(first), equal

devices = jax.devices()
one, ours, equal_one = run(devices[:1])
two, theirs, equal_two = run(devices[:2])
play = jax.tree.leaves(two.play)
try:
    from hamlet.backends.devices import shardings
    shardings(outline, devices, 5)
    refusal = ""
except hamlet.RequestError as error:
    refusal = str(error)
print(json.dumps({
    "devices": len(devices),
    "difference": max(float(np.abs(a - b).max()) for a, b in zip(ours, theirs) if a.size),
    "moved": float(np.abs(ours[0] - np.asarray(jax.tree.leaves(start.learner)[0])).max()),
    "repeats": [equal_one, equal_two],
    "spread": [len(leaf.sharding.device_set) for leaf in play],
    "parts": [[shard.data.shape[0] for shard in leaf.addressable_shards] for leaf in play],
    "replicated": all(leaf.sharding.is_fully_replicated for leaf in jax.tree.leaves(two.learner.team)),
    "refusal": refusal,
}))
"""


@pytest.fixture(scope="module", params=["happo", pytest.param("hatrpo", marks=pytest.mark.slow)])
def report(request):
    environment = os.environ | {
        "XLA_FLAGS": os.environ["XLA_FLAGS"] + " --xla_force_host_platform_device_count=2",
        "JAX_PLATFORMS": "cpu",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, request.param], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_two_devices_learn_what_one_does(report):
    assert report["devices"] == 2 and report["moved"] > 1e-4
    assert report["difference"] < 1e-5


def test_repeats_on_the_same_devices_have_the_same_bits(report):
    assert report["repeats"] == [True, True]


def test_the_games_lie_on_both_devices_and_the_networks_on_each(report):
    assert set(report["spread"]) == {2} and all(parts == [2, 2] for parts in report["parts"])
    assert report["replicated"]


def test_copies_that_devices_do_not_divide_are_refused_with_the_nearest(report):
    assert (
        report["refusal"] == "--num-envs 5 is not a multiple of the number of devices, 2; the nearest is --num-envs 4"
    )
