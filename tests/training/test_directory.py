import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from hamlet.errors import RequestError, RunError
from hamlet.runs import manifest
from hamlet.runs.directory import RunDirectory, is_locked


def test_a_run_begun_can_be_opened_and_gives_its_configuration_back(tmp_path):
    config = {"seed": 0, "algorithm": {"type": "clip_drift", "epsilon": 0.2}}
    RunDirectory.create(str(tmp_path / "runs" / "a"), config)
    run = RunDirectory.open(tmp_path / "runs" / "a")
    assert run.config() == {"version": 1} | config
    assert (run.checkpoints.name, run.metrics.name) == ("checkpoints", "metrics.sqlite")
    assert run.evaluation == tmp_path / "runs" / "a" / "evaluation.json"


def test_a_directory_that_holds_a_run_is_refused_with_the_next_free_name(tmp_path):
    RunDirectory.create(tmp_path / "a", {"seed": 0})
    with pytest.raises(RequestError, match=r"already contains a run: .*hamlet resume .*/a`.* --out .*/a-2$"):
        RunDirectory.create(tmp_path / "a", {"seed": 1})
    assert RunDirectory.open(tmp_path / "a").config() == {"version": 1, "seed": 0}
    (tmp_path / "a-2").mkdir()
    with pytest.raises(RequestError, match=r"--out .*/a-3$"):
        RunDirectory.create(tmp_path / "a", {})
    RunDirectory.create(tmp_path / "a-2", {})
    with pytest.raises(RequestError, match=r"--out .*/a-3$"):
        RunDirectory.create(tmp_path / "a-2", {})
    RunDirectory.create(tmp_path / "seed-0", {})
    with pytest.raises(RequestError, match=r"--out .*/seed-0-2$"):
        RunDirectory.create(tmp_path / "seed-0", {})


def test_a_file_and_another_directory_are_refused_and_left_alone(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RequestError, match=r"file is a file, .*--out .*/file-2"):
        RunDirectory.create(tmp_path / "file", {})
    with pytest.raises(RequestError, match=r"contains files, but not a run: use --out .*-2$"):
        RunDirectory.create(tmp_path, {})
    assert os.listdir(tmp_path) == ["file"]


def test_the_current_directory_can_be_refused_too(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RequestError, match=r"\. contains files.* --out runs/run-2$"):
        RunDirectory.create(".", {})


def test_an_empty_directory_and_what_a_kill_left_of_a_beginning_are_taken(tmp_path):
    (tmp_path / "lock").write_text("123")
    (tmp_path / ".config.json.123").write_text("{")
    RunDirectory.create(tmp_path, {"seed": 1})
    assert RunDirectory.open(tmp_path).config() == {"version": 1, "seed": 1}


def test_a_directory_below_a_file_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be created: Not a directory"):
        RunDirectory.create(tmp_path / "file" / "a", {})


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("runs/happo-spraed", r"does not exist; the nearest run is .*runs/happo-spread$"),
        ("runs/many", r"is not a run; it contains the run .*runs/many/seed-0 \(and 1 more\)$"),
        ("runs/happo-spread/checkpoints", r"is not a run; it is inside the run .*runs/happo-spread$"),
        ("runs", r"runs is not a run; it contains the run .*runs/happo-spread"),
        ("elsewhere/a", r"elsewhere/a does not exist$"),
    ],
)
def test_what_is_no_run_is_refused_with_the_nearest_run(tmp_path, asked, message):
    for name in ("happo-spread", "mappo-reference", "many/seed-0", "many/seed-1"):
        RunDirectory.create(tmp_path / "runs" / name, {}).checkpoints.mkdir()
    with pytest.raises(RequestError, match=message):
        RunDirectory.open(tmp_path / asked)


def test_a_damaged_configuration_is_one_line(tmp_path):
    run = RunDirectory.create(tmp_path, {"seed": 1})
    (tmp_path / "config.json").write_text('{"seed":\n')
    with pytest.raises(RunError, match=r"config\.json cannot be read") as failure:
        run.config()
    assert "\n" not in str(failure.value)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    run = RunDirectory.create(tmp_path, {})
    run.write_json("evaluation.json", {"points": [1]})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"evaluation\.json cannot be written: No space left on device$"):
        run.write_json("evaluation.json", {"points": [1, 2]})
    assert run.evaluation.read_text() == '{\n  "points": [\n    1\n  ]\n}\n'
    assert sorted(os.listdir(tmp_path)) == ["config.json", "evaluation.json", "lock"]


def test_a_reader_who_opened_a_file_before_reads_the_old_one_to_its_end(tmp_path):
    run = RunDirectory.create(tmp_path, {})
    run.write_json("evaluation.json", [1])
    with run.evaluation.open() as reader:
        run.write_json("evaluation.json", [2])
        assert json.load(reader) == [1]
    assert json.loads(run.evaluation.read_text()) == [2]


HOLDS = """
import subprocess, sys, time
from hamlet.runs.directory import RunDirectory, is_locked
with RunDirectory.open(sys.argv[1]).lock():
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False, stdout=2)
    print(worker.pid, flush=True)
    time.sleep(60)
"""

ASKS = """
import sys
import threading
import time
from hamlet.errors import RequestError
from hamlet.runs.directory import RunDirectory, is_locked
try:
    with RunDirectory.open(sys.argv[1]).lock():
        print("held")
except RequestError as refusal:
    print(refusal)
"""


def ask(path):
    return subprocess.run([sys.executable, "-c", ASKS, path], capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_a_live_run_is_refused_to_a_second_process_which_is_told_the_first(tmp_path):
    run = RunDirectory.create(tmp_path, {})
    with run.lock():
        assert f"in use by process {os.getpid()}: " in ask(tmp_path)
        with pytest.raises(RequestError, match="in use"), run.lock():
            pass
    assert ask(tmp_path) == "held\n"


@pytest.mark.slow
def test_the_lock_of_a_killed_process_is_free_also_while_its_workers_live_on(tmp_path):
    run = RunDirectory.create(tmp_path, {})
    holder = subprocess.Popen([sys.executable, "-c", HOLDS, tmp_path], stdout=subprocess.PIPE, text=True)
    assert holder.stdout
    worker = int(holder.stdout.readline())
    try:
        with pytest.raises(RequestError, match=f"in use by process {holder.pid}: "), run.lock():
            pass
        holder.kill()
        holder.wait()
        with run.lock():
            os.kill(worker, 0)
    finally:
        holder.stdout.close()
        os.kill(worker, signal.SIGKILL)


def test_a_copy_of_its_descriptor_as_a_child_has_before_exec_does_not_keep_the_lock(tmp_path):
    run = RunDirectory.create(tmp_path, {})
    copies = []
    with run.lock():
        for descriptor in range(1000):
            with contextlib.suppress(OSError):
                if os.path.samestat(os.fstat(descriptor), os.stat(tmp_path / "lock")):
                    copies.append(os.dup(descriptor))
                    break
    assert copies
    with run.lock():
        pass
    for copy in copies:
        os.close(copy)


def test_the_manifest_names_versions_and_hardware_but_no_path_and_no_person():
    described = manifest.describe()
    assert {"hamlet", "python", "jax", "jaxlib", "equinox", "optax", "orbax", "numpy"} == set(described["versions"])
    assert all(described["versions"].values())
    assert described["hardware"]["cores"] >= 1 and described["hardware"]["devices"]
    text = repr(described)
    assert os.path.expanduser("~") + "/" not in text and os.getcwd() not in text and os.uname().nodename not in text


def test_the_revision_is_that_of_a_tracked_file_only(tmp_path, monkeypatch):
    def git(*arguments):
        settings = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", "-C", tmp_path, *settings, *arguments], check=True, capture_output=True)

    source, record = tmp_path / "package" / "source.py", tmp_path / "record.json"
    source.parent.mkdir()
    source.write_text("")
    record.write_text("")
    assert manifest.revision(source) is None
    git("init")
    assert manifest.revision(source) is None
    git("add", "package/source.py", "record.json")
    git("commit", "-m", "first")
    commit = manifest.revision(source)
    assert commit and len(commit) == 40
    record.write_text("made just now")
    assert manifest.revision(source) == commit
    (tmp_path / "installed.py").write_text("")
    assert manifest.revision(tmp_path / "installed.py") is None
    source.write_text("changed")
    assert manifest.revision(source) == f"{commit}+changes"
    monkeypatch.setenv("PATH", "")
    assert manifest.revision(source) is None


def test_who_looks_whether_a_run_is_locked_keeps_nobody_from_locking_it(tmp_path):
    run = RunDirectory.create(tmp_path / "run", {})
    lock, stop = tmp_path / "run" / "lock", threading.Event()
    assert not is_locked(lock) and not is_locked(tmp_path / "nothing")

    def look():
        while not stop.is_set():
            is_locked(lock)
            time.sleep(0.001)  # as a reader does: a look is an instant

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for _ in range(50):
            with run.lock():
                assert is_locked(lock)
    finally:
        stop.set()
        watcher.join()
    assert not is_locked(lock)
