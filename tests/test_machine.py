"""What Linux has and POSIX does not ask for may be missing, as on macOS: everything goes on."""

import os
import signal
import subprocess
import sys

import pytest

from hamlet import machine
from hamlet.cli import main
from hamlet.tabular import markov_game


def test_without_the_affinity_of_processes_all_cores_are_counted(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5}, raising=False)
    assert machine.cores() == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    assert machine.cores() == (os.cpu_count() or 1)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert machine.cores() == 1


@pytest.mark.parametrize("error", [ValueError("unrecognized configuration name"), OSError(22, "Invalid argument"), -1])
def test_where_the_memory_is_unknown_nothing_is_refused_for_its_size(monkeypatch, error):
    def sysconf(name):
        if isinstance(error, int):
            return error if name == "SC_PHYS_PAGES" else 4096
        raise error

    with pytest.raises(ValueError, match="this machine has"):
        markov_game.require_room(10**6, (10, 10))
    monkeypatch.setattr(os, "sysconf", sysconf)
    assert machine.memory() is None
    markov_game.require_room(10**6, (10, 10))


def test_macos_counts_the_peak_of_memory_in_bytes(monkeypatch):
    peak = machine.peak_memory()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert machine.peak_memory() == pytest.approx(peak / 1024, rel=0.1)


@pytest.mark.slow
def test_a_run_trains_and_resumes_without_what_only_linux_has(tmp_path, monkeypatch, capsys):
    for name in ("sched_getaffinity", "sched_setaffinity", "memfd_create", "posix_fallocate", "posix_fadvise"):
        monkeypatch.delattr(os, name, raising=False)
    train = "train happo matrix/climbing --steps 64 --num-envs 4 --rollout-length 8 --hidden 8 --evaluate-episodes 0"
    assert main([*train.split(), "--out", str(tmp_path / "run")]) == 0
    assert f"{os.cpu_count()} threads" in capsys.readouterr().err
    assert main(["resume", str(tmp_path / "run"), "--steps", "96"]) == 0


WORKER = """
import os, sys, time
from hamlet.envs import worker
worker._SIGIO_ENDS = sys.argv[3] == "signal"
life, connection = int(sys.argv[1]), int(sys.argv[2])
worker._end_with_parent(life, (connection,))
os.write(connection, str(os.getpid()).encode())
if sys.argv[4] == "ends":
    os._exit(0)
time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.parametrize("way", ["signal", "process"])
@pytest.mark.parametrize("end", ["ends", "hangs"])
def test_a_worker_ends_with_its_parent_and_its_parent_sees_its_end(way, end):
    if way == "signal" and sys.platform != "linux":
        pytest.skip("SIGIO ends nobody here")
    watched, life = os.pipe()
    answer, connection = os.pipe()
    words = [sys.executable, "-c", WORKER, str(watched), str(connection), way, end]
    process = subprocess.Popen(words, pass_fds=(watched, connection), process_group=0)
    os.close(watched)
    os.close(connection)
    assert int(os.read(answer, 32)) == process.pid
    if end == "ends":
        assert os.read(answer, 1) == b"" and process.wait(20) == 0  # nobody else holds the connection
        os.close(life)
    else:
        os.close(life)
        assert process.wait(20) in (-signal.SIGKILL, -signal.SIGIO)
    os.close(answer)
