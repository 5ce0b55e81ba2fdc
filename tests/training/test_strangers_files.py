"""Whatever a stranger's run holds: no code runs, nothing outside of it is read or removed, nothing hangs."""

import hashlib
import json
import os
import shutil
import sqlite3
import warnings
import zlib

import numpy as np
import pytest

from hamlet.checkpoints import checkpoint, replay_files
from hamlet.errors import RunError
from hamlet.files import plain_files
from hamlet.runs import metrics_file
from hamlet.runs.metrics import Metrics

STATE = {"weight": np.arange(6.0).reshape(3, 2)}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    directory = tmp_path_factory.mktemp("checkpoints")
    return checkpoint.save(directory, STATE, step=1)


@pytest.fixture
def copied(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "checkpoints" / saved.name)


def sealed(path, **changes):
    """The checkpoint with another manifest, sealed as if it had been written so."""
    document = json.loads((path / "manifest.json").read_text())
    document.pop("sha256")
    (path / "manifest.json").write_text(checkpoint._sealed(document | changes))


def refused(path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(RunError, match="no good checkpoint"):
            checkpoint.restore(path.parent, STATE)
    (line,) = (str(warning.message) for warning in caught)
    assert "\n" not in line and "is damaged and skipped" in line
    return line


def test_a_good_copy_is_read(copied):
    assert (checkpoint.restore(copied.parent, STATE).state["weight"] == STATE["weight"]).all()


@pytest.mark.parametrize(
    "name", ["../secret", "{outside}", "/dev/zero", "arrays/../../secret", "arrays//manifest.ocdbt", "\x00", ""]
)
def test_files_that_a_manifest_lists_elsewhere_are_not_read(copied, tmp_path, monkeypatch, name):
    (tmp_path / "checkpoints" / "secret").write_text("secret")
    read = []
    monkeypatch.setattr(plain_files, "sha256", lambda path: read.append(path) or "")
    sealed(copied, files={name.format(outside=tmp_path / "checkpoints" / "secret"): hashlib.sha256().hexdigest()})
    assert "is missing" in refused(copied) and not read


@pytest.mark.parametrize("kind", ["device", "pipe", "link", "directory link", "linked checkpoint", "linked manifest"])
def test_only_plain_files_are_read(copied, tmp_path, kind):
    target = copied / "arrays" / "_METADATA"
    if kind == "device":
        target.unlink()
        target.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(copied / "arrays" / "pipe")
    elif kind == "link":
        (tmp_path / "there").write_bytes(target.read_bytes())
        target.unlink()
        target.symlink_to(tmp_path / "there")
    elif kind == "directory link":
        (copied / "more").symlink_to(tmp_path)
    elif kind == "linked checkpoint":
        copied.rename(tmp_path / "elsewhere")
        copied.symlink_to(tmp_path / "elsewhere")
    else:
        (copied / "manifest.json").rename(tmp_path / "manifest.json")
        (copied / "manifest.json").symlink_to(tmp_path / "manifest.json")
    refused(copied)


def test_a_pipe_in_the_place_of_the_manifest_is_not_waited_for(copied):
    (copied / "manifest.json").unlink()
    os.mkfifo(copied / "manifest.json")
    refused(copied)


def test_files_larger_than_the_leaves_are_not_read(copied, monkeypatch):
    with (copied / "arrays" / "large").open("wb") as file:
        file.truncate(2**43)
    monkeypatch.setattr(plain_files, "sha256", lambda path: pytest.fail("it was read"))
    assert "its files are too large" in refused(copied)


def test_a_directory_of_too_many_files_is_not_listed_to_its_end(copied, monkeypatch):
    monkeypatch.setattr(plain_files, "MOST_FILES", 20)
    for number in range(30):
        (copied / f"file-{number}").touch()
    assert "there are more than 20 files" in refused(copied)


@pytest.mark.parametrize(
    "changes",
    [
        {"files": ["arrays"]},
        {"files": {"arrays": 3}},
        {"step": 10**30},
        {"step": True},
        {"step": 2},
        {"extra": None},
        {"leaves": "x"},
    ],
    ids=str,
)
def test_a_manifest_of_another_form_is_damage(copied, changes):
    sealed(copied, **changes)
    assert "is not the manifest of this checkpoint" in refused(copied)
    assert checkpoint.extras(copied.parent) == []


def test_arrays_of_another_shape_than_the_manifest_says_are_not_allocated(copied):
    large = checkpoint.save(copied.parent.parent / "other", {"weight": np.zeros((2_000, 2))}, step=1)
    document = json.loads((copied / "manifest.json").read_text())
    (large / "manifest.json").write_text((copied / "manifest.json").read_text())
    files = {name: plain_files.sha256(large / name) for name in plain_files.within(large) if name != "manifest.json"}
    sealed(large, files=files, leaves=document["leaves"])
    assert "does not have the shape in its manifest" in refused(large)


@pytest.mark.parametrize(
    "records",
    [
        [[0, 10, "../../../../dev/zero"]],
        [[0, 10, "0" * 63 + "\n"]],
        [[0.0, 10, "0" * 64]],
        [[10, 10, "0" * 64]],
        [[-1, 10, "0" * 64]],
        [[0, 10**30, "0" * 64]],
        [[0, 10]],
        "abc",
        {"a": 1},
        [None],
    ],
)
def test_a_replay_buffer_is_read_from_its_own_segments_alone(records):
    with pytest.raises(ValueError, match="the list of its replay segments is invalid"):
        replay_files.listed(records)


def test_a_few_bytes_that_stand_for_many_fill_no_memory():
    bomb = memoryview(zlib.compress(bytes(10**6)))
    assert replay_files._inflated(bomb, 10**6) == bytes(10**6)
    with pytest.raises(ValueError, match="does not have the 10 bytes"):
        replay_files._inflated(bomb, 10)


def written(path):
    with Metrics(path) as metrics:
        metrics.write([(10, {"return": 1.5})])
        points = {"returns": np.ones((2, 1)), "lengths": np.ones(2, int), "agents": ("a",)}
        metrics.write_evaluation(10, {"evaluation/return": 1.0}, **points, mode="deterministic", seed=1)
    return path


HOSTILE = [
    "DROP TABLE metrics; CREATE VIEW metrics AS WITH RECURSIVE r(name) AS (SELECT 'x' UNION ALL SELECT name FROM r) "
    "SELECT name, 1 AS step, 1.0 AS value, 1.0 AS wall_time FROM r",
    "CREATE TRIGGER t AFTER INSERT ON metrics BEGIN DELETE FROM metrics; END",
    "CREATE TABLE other (a INTEGER, b AS (hex(zeroblob(1000000000))))",
    "CREATE TABLE other (a INTEGER CHECK (a > 0))",
    "CREATE INDEX i ON metrics (value)",
]


@pytest.mark.parametrize("sql", HOSTILE, ids=lambda sql: sql[:30])
@pytest.mark.parametrize("write", [True, False])
def test_metrics_with_what_hamlet_never_writes_are_not_used(tmp_path, sql, write):
    path = written(tmp_path / "metrics.sqlite")
    with sqlite3.connect(path) as connection:
        connection.executescript(sql)
    with pytest.raises(RunError, match="which Hamlet does not write"):
        Metrics(path, write=write)


def test_metrics_are_read_without_being_written(tmp_path):
    path = written(tmp_path / "metrics.sqlite")
    before = path.read_bytes()
    path.chmod(0o444)
    with Metrics(path, write=False) as metrics:
        assert metrics.last("return") == 1.5 and metrics.evaluations().returns.shape == (1, 2, 1)
        with pytest.raises(RunError, match="readonly"):
            metrics.write([(20, {"return": 1.5})])
    assert path.read_bytes() == before
    with Metrics(tmp_path / "none.sqlite", write=False) as metrics:
        assert metrics.names() == []
    assert not (tmp_path / "none.sqlite").exists()


@pytest.mark.parametrize("write", [True, False])
def test_a_journal_that_names_another_file_removes_it_not(tmp_path, write):
    path, victim = written(tmp_path / "metrics.sqlite"), tmp_path / "victim"
    victim.write_text("kept")
    name = str(victim).encode()
    journal = path.with_name("metrics.sqlite-journal")
    trailer = len(name).to_bytes(4, "big") + sum(name).to_bytes(4, "big") + metrics_file._NAMES_ANOTHER
    journal.write_bytes(metrics_file._NAMES_ANOTHER + bytes(504) + bytes(4) + name + trailer)
    with pytest.raises(RunError, match="names another file"):
        Metrics(path, write=write)
    assert victim.read_text() == "kept" and journal.exists()


@pytest.mark.parametrize("write", [True, False])
def test_what_is_no_file_is_no_metrics(tmp_path, write):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    for name in ("pipe", "device"):
        with pytest.raises(RunError, match="is not a file"):
            Metrics(tmp_path / name, write=write)
