import contextlib
import itertools
import json
import logging
import os
import random
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from hamlet.checkpoints import checkpoint
from hamlet.errors import RequestError, RunError
from pieces import always


class Pair(eqx.Module):
    actor: Any
    critic: Any


class RiapPair(eqx.Module):
    critic: Any
    actor: Any


def raw(leaf):
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf)


def assert_same_bits(left, right):
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for one, other in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert raw(one).tobytes() == raw(other).tobytes()


def small(value):
    return {"weight": jnp.full((3, 2), value, jnp.float32), "key": jax.random.key(int(value))}


def only_warning(caught):
    assert len(caught) == 1 and "\n" not in str(caught[0].message)
    return str(caught[0].message)


def test_every_kind_of_leaf_comes_back_with_the_same_bits(tmp_path):
    odd = np.array([0x7FC12345, 0xFFC00001, 0x80000000, 0x7F800000, 1], np.uint32).view(np.float32)
    state = {
        "module": Pair(eqx.nn.Linear(3, 2, key=jax.random.key(0)), (None, jnp.int32(7))),
        "odd floats": jnp.asarray(odd),
        "minus zero": jnp.full((4,), -0.0),
        "bool": jnp.array([True, False]),
        "words": jnp.array([2**32 - 1], jnp.uint32),
        "half": jnp.array([1.5], jnp.bfloat16),
        "empty": jnp.zeros((0, 3)),
        "keys": (jax.random.key(1), jax.random.split(jax.random.key(2, impl="rbg"), 3)),
        "numpy": [np.arange(3.0), np.int64(2**60), np.zeros((0,), ml_dtypes.bfloat16)],
        "a/b.c['d']": {"0": jnp.zeros(1), "[0]": [jnp.ones(1)]},
        "": None,
    }
    checkpoint.save(tmp_path, state, step=12, extra={"note": "é", "rate": float("inf"), "points": {10: [1], 9: None}})
    restored = checkpoint.restore(tmp_path, state)
    assert_same_bits(restored.state, state)
    for one, other in zip(jax.tree.leaves(restored.state), jax.tree.leaves(state), strict=True):
        assert isinstance(one, type(other))
    assert restored.step == 12 and restored.path == tmp_path / "000000000012"
    assert restored.extra == {"note": "é", "rate": float("inf"), "points": {"10": [1], "9": None}}


def test_double_precision_comes_back_with_the_same_bits(tmp_path):
    with jax.enable_x64(True):
        state = {"double": jnp.array([0.1, np.nextafter(1.0, 2.0)], jnp.float64), "long": jnp.array([2**60])}
        assert state["double"].dtype == np.float64
        checkpoint.save(tmp_path, state, step=0)
        assert_same_bits(checkpoint.restore(tmp_path, state).state, state)


def test_shapes_alone_are_enough_to_restore(tmp_path):
    checkpoint.save(tmp_path, small(3.0), step=1)
    assert_same_bits(checkpoint.restore(tmp_path, jax.eval_shape(lambda: small(3.0))).state, small(3.0))


def test_a_restored_state_does_not_make_a_compiled_step_compile_again(tmp_path):
    step = jax.jit(lambda state: jax.tree.map(lambda leaf: leaf, state))
    state = jax.jit(lambda: small(1))()
    step(state)
    checkpoint.save(tmp_path, state, step=1)
    step(checkpoint.restore(tmp_path, state).state)
    assert step._cache_size() == 1


def test_reordered_fields_of_equal_shape_keep_their_arrays(tmp_path):
    checkpoint.save(tmp_path, Pair(jnp.zeros(3), jnp.ones(3)), step=1)
    state = checkpoint.restore(tmp_path, RiapPair(jnp.full(3, 5.0), jnp.full(3, 5.0))).state
    assert (state.actor == 0).all() and (state.critic == 1).all()


@pytest.mark.parametrize(
    ("like", "message"),
    [
        ({"weight": jnp.ones(3), "bias": jnp.ones(2)}, r"no leaf \['bias'\].*nearest unused leaf is \['basis'\]"),
        ({"weight": jnp.ones(3)}, r"has a leaf \['basis'\] that the training state does not have"),
        ({"weight": None, "basis": jnp.ones(2)}, r"has a leaf \['weight'\]"),
        ({"weight": jnp.ones((3, 1)), "basis": jnp.ones(2)}, r"\['weight'\] is float32\[3\] .* float32\[3, 1\]"),
        ({"weight": jnp.ones(3, jnp.int32), "basis": jnp.ones(2)}, r"\['weight'\] is float32\[3\] .* int32\[3\]"),
        ({"weight": jnp.ones(3), "basis": jax.random.key(0)}, r"\['basis'\] is float32\[2\] .* key<fry>\[\]"),
    ],
)
def test_a_leaf_that_does_not_match_is_named(tmp_path, like, message):
    checkpoint.save(tmp_path, {"weight": jnp.ones(3), "basis": jnp.ones(2)}, step=1)
    with pytest.raises(RunError, match=message):
        checkpoint.restore(tmp_path, like)


@pytest.mark.parametrize("leaf", [1.0, "text", jax.nn.relu, np.array(["text"]), np.array([None])])
def test_a_leaf_that_is_no_array_is_refused_by_name_before_anything_is_written(tmp_path, leaf):
    with pytest.raises(RequestError, match=r"the leaf \['field'\]"):
        checkpoint.save(tmp_path / "checkpoints", {"field": leaf}, step=1)
    assert not (tmp_path / "checkpoints").exists()


def test_as_many_as_asked_are_kept_and_a_later_abandoned_line_is_removed(tmp_path):
    for step in (10, 20, 30, 40):
        checkpoint.save(tmp_path, small(step), step=step, keep=3)
    assert checkpoint.steps(tmp_path) == [20, 30, 40]
    checkpoint.save(tmp_path, small(25), step=25, keep=3)
    assert checkpoint.steps(tmp_path) == [20, 25]
    assert checkpoint.restore(tmp_path, small(0)).step == 25
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000000020", "000000000025"]


def test_saving_a_step_again_replaces_it(tmp_path):
    checkpoint.save(tmp_path, small(1), step=10)
    checkpoint.save(tmp_path, small(2), step=10)
    assert_same_bits(checkpoint.restore(tmp_path, small(0)).state, small(2))
    assert [path.name for path in tmp_path.iterdir()] == ["000000000010"]


@pytest.mark.parametrize("renames", range(3))
def test_a_replacement_stopped_at_any_rename_leaves_the_old_one_or_the_new(tmp_path, monkeypatch, renames):
    checkpoint.save(tmp_path, small(1), step=10)
    rename, left = Path.rename, itertools.count(renames, -1)

    def stops(self, target):
        if next(left) == 0:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stops)
    with contextlib.suppress(KeyboardInterrupt):
        checkpoint.save(tmp_path, small(2), step=10)
    monkeypatch.undo()
    assert_same_bits(checkpoint.restore(tmp_path, small(0)).state, small(2 if renames == 2 else 1))


def test_a_checkpoint_moved_away_by_a_killed_replacement_is_still_found(tmp_path):
    checkpoint.save(tmp_path, small(1), step=10)
    (tmp_path / "000000000010").rename(tmp_path / ".000000000010.replaced")
    assert checkpoint.steps(tmp_path) == [10]
    assert_same_bits(checkpoint.restore(tmp_path, small(0)).state, small(1))
    checkpoint.save(tmp_path, small(2), step=20)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000000010", "000000000020"]
    assert_same_bits(checkpoint.restore(tmp_path, small(0)).state, small(2))


def test_left_overs_of_a_killed_process_are_removed_and_other_files_are_not(tmp_path):
    (tmp_path / ".000000000005.99999" / "arrays").mkdir(parents=True)
    (tmp_path / ".000000000003.removed").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "notes").mkdir()
    assert checkpoint.steps(tmp_path) == []
    checkpoint.save(tmp_path, small(1), step=10)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".git", "000000000010", "notes"]


@pytest.fixture(scope="module")
def two_checkpoints(tmp_path_factory):
    directory = tmp_path_factory.mktemp("two")
    checkpoint.save(directory, small(1), step=10)
    checkpoint.save(directory, small(2), step=20)
    return directory


def flip(path):
    content = bytearray(path.read_bytes())
    content[random.Random(0).randrange(len(content))] ^= 1
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def empty(path):
    path.write_bytes(b"")


def remove(path):
    path.unlink()


@pytest.mark.parametrize("damage", [flip, cut, empty, remove])
def test_whichever_file_is_damaged_the_checkpoint_before_is_used_with_one_warning(two_checkpoints, tmp_path, damage):
    files = sorted(path for path in (two_checkpoints / "000000000020").rglob("*") if path.is_file())
    assert len(files) > 5
    for number, file in enumerate(path for path in files if path.stat().st_size):
        copy = tmp_path / str(number)
        shutil.copytree(two_checkpoints, copy)
        damage(copy / file.relative_to(two_checkpoints))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            restored = checkpoint.restore(copy, small(0))
        assert restored.step == 10, file
        assert_same_bits(restored.state, small(1))
        message = only_warning(caught)
        assert str(copy / "000000000020") in message and file.name in message


def test_every_single_byte_of_the_manifest_counts(two_checkpoints, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(two_checkpoints, copy)
    manifest = copy / "000000000020" / "manifest.json"
    content = manifest.read_bytes()
    for position in range(len(content)):
        manifest.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        with pytest.raises(checkpoint._Damaged):
            checkpoint._verified(copy / "000000000020")


def test_where_none_is_good_the_failure_says_so(two_checkpoints, tmp_path):
    with pytest.raises(RunError, match=r"no good checkpoint in .*there is none"):
        checkpoint.restore(tmp_path / "absent", small(0))
    copy = tmp_path / "copy"
    shutil.copytree(two_checkpoints, copy)
    for manifest in copy.glob("*/manifest.json"):
        cut(manifest)
    with (
        pytest.warns(UserWarning, match="damaged"),
        pytest.raises(RunError, match=r"all are damaged \(000000000010, 000000000020\)"),
    ):
        checkpoint.restore(copy, small(0))


def test_a_checkpoint_of_another_format_is_refused_and_its_writer_named(two_checkpoints, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(two_checkpoints, copy)
    manifest = copy / "000000000020" / "manifest.json"
    document = json.loads(manifest.read_text())
    del document["sha256"]
    manifest.write_text(checkpoint._sealed({**document, "format": 2, "hamlet": "7.1.0"}))
    with pytest.raises(RequestError, match=r"format 2, written by Hamlet '7\.1\.0'"):
        checkpoint.restore(copy, small(0))


def test_saving_and_restoring_say_nothing_and_leave_the_log_level_alone(tmp_path, capfd):
    level = logging.getLogger("absl").level
    checkpoint.save(tmp_path, small(1), step=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checkpoint.restore(tmp_path, small(0))
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("absl").level == level


def test_orbax_is_imported_by_the_first_save_only():
    program = "import sys, hamlet.checkpoints.checkpoint; sys.exit('orbax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


ON_TWO_DEVICES = """
import pathlib, sys
import jax, jax.numpy as jnp
from hamlet.training import checkpoint
directory = pathlib.Path(sys.argv[1])
halves = jax.NamedSharding(jax.make_mesh((2,), ("copies",)), jax.P("copies"))
state = {
    "halves": jax.device_put(jnp.arange(4.0), halves),
    "keys": jax.device_put(jax.random.split(jax.random.key(0), 4), halves),
    "second": jax.device_put(jnp.ones(2), jax.devices()[1]),
    "free": jnp.zeros(3),
}
shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state)
checkpoint.save(directory, state, step=1)
for like in (state, shapes):
    for name, leaf in checkpoint.restore(directory, like).state.items():
        assert leaf.sharding == state[name].sharding, (name, leaf.sharding)
        assert (leaf == state[name]).all(), name
"""


@pytest.mark.slow
def test_arrays_come_back_to_the_devices_they_were_on(tmp_path):
    flags = os.environ["XLA_FLAGS"] + " --xla_force_host_platform_device_count=2"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-c", ON_TWO_DEVICES, tmp_path], env=environment, check=True)


SAVES_FOREVER = """
import itertools, pathlib, sys
import numpy as np
from hamlet.training import checkpoint
directory = pathlib.Path(sys.argv[1])
start = checkpoint.restore(directory, np.zeros(50_000)).step + 1 if checkpoint.steps(directory) else 0
for step in itertools.count(start):
    for version in (0.0, 0.5):
        checkpoint.save(directory, np.full(50_000, step + version), step=step, extra={"version": version})
    print(step, flush=True)
"""


@pytest.mark.slow
def test_a_process_killed_at_any_moment_leaves_a_checkpoint_to_go_on_from(tmp_path):
    rng, last = random.Random(1), -1
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", SAVES_FOREVER, tmp_path], stdout=subprocess.PIPE, text=True)
        assert process.stdout
        done = int(process.stdout.readline())
        time.sleep(rng.uniform(0.0, 0.3))
        process.kill()
        done = max([done, *map(int, process.communicate()[0].split())])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            restored = checkpoint.restore(tmp_path, np.zeros(50_000))
        assert restored.step >= done > last
        assert (restored.state == restored.step + restored.extra["version"]).all()
        last = restored.step


RUNS_OUT_OF_ROOM = """
import pathlib, resource, sys
import numpy as np
from hamlet.errors import RunError
from hamlet.training import checkpoint
directory = pathlib.Path(sys.argv[1])
checkpoint.save(directory, np.zeros(10), step=1)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
try:
    checkpoint.save(directory, np.random.default_rng(0).normal(size=100_000), step=2)
except RunError as error:
    print(error)
    sys.exit(1)
"""


@pytest.mark.slow
@pytest.mark.parametrize("limit", always(50_000, of=(100, 50_000)))
def test_a_write_that_fails_leaves_the_earlier_checkpoint_and_nothing_else(tmp_path, limit):
    command = [sys.executable, "-c", RUNS_OUT_OF_ROOM, str(tmp_path), str(limit)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 1 and process.stderr == "", process.stderr
    assert process.stdout.count("\n") == 1
    assert "step 2 could not be written" in process.stdout and "File too large" in process.stdout
    assert f"the last good checkpoint is {tmp_path / '000000000001'}" in process.stdout
    assert os.listdir(tmp_path) == ["000000000001"]
    assert (checkpoint.restore(tmp_path, np.ones(10)).state == 0).all()


def test_a_directory_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="could not be written: Not a directory; there is no earlier checkpoint"):
        checkpoint.save(tmp_path / "file" / "checkpoints", small(1), step=1)


@pytest.mark.slow
def test_a_reader_beside_a_writer_sees_no_damage(tmp_path):
    program = SAVES_FOREVER.replace("itertools.count(start)", "range(8)")
    process = subprocess.Popen([sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    process.stdout.readline()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for count in itertools.count():
            restored = checkpoint.restore(tmp_path, np.zeros(50_000))
            assert (restored.state == restored.step + restored.extra["version"]).all()
            if process.poll() is not None and count:
                break
    process.communicate()
    assert process.returncode == 0
