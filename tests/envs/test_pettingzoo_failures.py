"""Environments that raise, hang, die, or give what cannot be trained on; and what is left behind: nothing."""

import functools
import gc
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import doubles
from hamlet.envs import from_pettingzoo
from hamlet.envs.pettingzoo.env_driver import seed_of
from hamlet.errors import RequestError, RunError

WALK = (np.ones((3, 2), np.int32),)


def play(copies, steps, actions=WALK):
    found = []
    for _ in range(steps):
        copies.send(actions)
        found.append(copies.receive())
    return found


@pytest.fixture
def opened():
    """Copies that are closed whatever happens, and leave neither a process nor a descriptor."""
    gc.collect()
    before, made = descriptors(), []

    def open_(env, count=3, seed=0):
        made.append(replace(env, copies=count).open(seed, range(count)))
        made[-1].begin(np.zeros(count, int))
        return made[-1]

    yield open_
    for copies in made:
        copies.close()
        copies.close()
        assert not any(alive(pid) for pid in pids(copies))
    assert descriptors() == before


def descriptors():
    """What this process has open to others, or to memory that they share."""
    links = (os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd"))
    return sorted(link for link in links if re.search(r"/(pipe|socket|memfd):", link))


def pids(copies):
    return [process.pid for process in copies.workers]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def gone(pids, seconds=5.0):
    """Whether these processes end within some seconds."""
    deadline = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(alive, pids))


@functools.cache
def declared(factory):
    """Found out once: every question costs a process."""
    return from_pettingzoo(factory, processes=1, state="observations", timeout=2.0)


def faulty(fault, **fields):
    own = {name: fields.pop(name) for name in ("at", "steps", "one_in", "seed") if name in fields}
    return replace(declared(doubles.Faulty), options=(("fault", fault), *own.items()), **fields)


def test_a_copy_that_raises_begins_its_next_episode_and_no_other_does(opened):
    seed = seed_of(0, 1, 0)
    copies = opened(faulty("raise", at=3, steps=9, seed=seed))
    before, failed, after = play(copies, 4)[1:]
    # The step is cut, without reward, at what was seen last; the next episode begins.
    assert failed.outcome.truncated.tolist() == [False, True, False] and not failed.outcome.terminated.any()
    assert failed.outcome.reward.tolist() == [[3.0, 3.5], [0.0, 0.0], [3.0, 3.5]]
    assert failed.outcome.cut.tolist() == [[False] * 2, [True] * 2, [False] * 2]
    assert failed.outcome.failed.tolist() == [False, True, False]
    assert before.outcome.failed is None is after.outcome.failed
    assert (failed.arrival.observation[0][1] == before.view.observation[0][1]).all()
    assert (failed.arrival.observation[0][0, :, 1] == 3).all() and failed.arrival.alive.all()
    assert (failed.view.observation[0][1, :, 1] == 0).all() and (after.view.observation[0][1, :, 1] == 1).all()
    assert copies.snapshot()["episode"].tolist() == [0, 1, 0]
    (line,) = copies.failures()
    assert line.startswith(f"copy 1 at step 3 of episode 0 (seed {seed}): raised ValueError: the floor gave way [")
    assert re.search(r"\[doubles\.py:\d+ in step\]; this copy starts its next episode$", line)
    assert copies.failures() == ()
    fresh = doubles.Faulty().reset(seed=seed_of(0, 1, 1))[0]
    assert (failed.view.observation[0][1] == np.stack(list(fresh.values()))).all()


@pytest.mark.parametrize("fault", ["raise", "die"])
def test_a_copy_that_fails_in_its_first_step_is_cut_at_the_first_view(opened, fault):
    copies = opened(faulty(fault, at=1, steps=2, seed=seed_of(0, 1, 1)))
    ended, failed = play(copies, 3)[1:]
    assert ended.outcome.truncated.all() and copies.failures()[0].startswith("copy 1 at step 1 of episode 1")
    assert (failed.arrival.observation[0][1] == ended.view.observation[0][1]).all()
    assert (failed.arrival.observation[0][1, :, 1] == 0).all() and failed.arrival.alive[1].all()


def test_what_raises_changes_nothing_that_depends_on_the_number_of_processes(opened):
    plays = []
    for processes in (1, 2):
        copies = opened(faulty("raise", at=2, one_in=2, processes=processes))
        plays.append((play(copies, 12), copies.failures()))
    (one, lines), (two, others) = plays
    assert lines == others and len(lines) > 3
    for a, b in zip(one, two, strict=True):
        assert (a.view.observation[0] == b.view.observation[0]).all() and (a.outcome.reward == b.outcome.reward).all()


def test_an_exception_in_step_1000_is_told_with_its_traceback_and_stops_where_that_is_asked_for(opened):
    copies = opened(faulty("raise", at=1000, steps=2000, on_failure="stop"), count=1)
    play(copies, 999, (WALK[0][:1],))
    with pytest.raises(RunError, match=r"^copy 0 at step 1000 of episode 0 \(seed \d+\): raised ValueError") as stop:
        play(copies, 1, (WALK[0][:1],))
    assert "Traceback (most recent call last)" in stop.value.__notes__[0] and "\n" not in str(stop.value)


@pytest.mark.parametrize("fault", ["hang", "hang in C"])
def test_a_worker_that_hangs_is_ended_and_the_line_says_where_it_hung(opened, fault):
    copies = opened(faulty(fault, at=2, seed=seed_of(0, 1, 0), timeout=0.5))
    (pid,) = pids(copies)
    failed = play(copies, 2)[1]
    assert failed.outcome.truncated.all() and (failed.outcome.reward == 0).all()
    (line,) = copies.failures()
    assert f"copy 1 at step 2 of episode 0 (seed {seed_of(0, 1, 0)}): its process gave no answer for 0.5 s" in line
    assert re.search(r"\[doubles\.py:\d+ in step\]; copies 0 to 2 start their next episodes$", line)
    assert gone([pid]) and copies.snapshot()["episode"].tolist() == [1, 1, 1]
    assert (play(copies, 1)[0].view.observation[0][:, :, 1] == 1).all()


def test_a_worker_that_dies_is_replaced_and_only_its_copies_begin_anew(opened):
    copies = opened(faulty("nothing", processes=2, steps=50))
    last = play(copies, 3)[-1]
    os.kill(pids(copies)[0], signal.SIGKILL)
    failed, after = play(copies, 2)
    assert failed.outcome.truncated.tolist() == [True, True, False]
    assert (failed.arrival.observation[0][:2] == last.view.observation[0][:2]).all()
    assert after.view.observation[0][:, 0, 1].tolist() == [1, 1, 5]
    (line,) = copies.failures()
    assert "its process was ended by SIGKILL; copies 0 to 1 start" in line


def test_an_environment_that_ends_its_own_process_is_named(opened):
    copies = opened(faulty("die", at=2, seed=seed_of(0, 2, 0)))
    play(copies, 3)
    assert copies.failures()[0].startswith("copy 2 at step 2 of episode 0")
    stopping = opened(faulty("die", at=2, on_failure="stop"))
    with pytest.raises(RunError, match=r"copy 0 at step 2 .*was ended by SIGKILL"):
        play(stopping, 2)


@pytest.mark.parametrize("fault", ["raise", "die"])
def test_what_fails_again_and_again_without_a_step_stops(opened, fault):
    copies = opened(faulty(fault, at=1), count=1)
    with pytest.raises(
        RunError, match="failed 5 times in a row without completing a step; last failure: copy 0 at step 1 of episode 4"
    ):
        play(copies, 9, (WALK[0][:1],))


def test_what_fails_after_some_steps_goes_on(opened):
    copies = opened(faulty("raise", at=2), count=1)
    play(copies, 20, (WALK[0][:1],))
    assert len(copies.failures()) == 10


BROKEN = [
    ("nan", r"the observation\[2\] of agent 'walker_1' is nan"),
    ("overflow", r"the observation\[1\] of agent 'walker_1' is inf"),
    ("reward", "the reward of agent 'walker_1' is nan"),
    ("no reward", "agent 'walker_1' acted but has no reward"),
    ("no observation", "agent 'walker_1' is in agents but has no observation"),
    ("shape", r"the observation of agent 'walker_1' has shape \(4,\), but its space has shape \(3,\)"),
    ("joins", "agent 'stranger' is in agents but not in possible_agents"),
    ("no last", "agent 'walker_1' is truncated without a last observation"),
    ("four", "step\\(\\) must return five dictionaries"),
    ("mask", "agent 'walker_0' has an action_mask in its infos, but had none after the first reset"),
]


@pytest.mark.parametrize(("fault", "said"), BROKEN, ids=[fault for fault, _ in BROKEN])
def test_what_cannot_be_trained_on_is_named_and_stops_whatever_was_asked(opened, fault, said):
    seed = seed_of(0, 1, 0)
    copies = opened(faulty(fault, at=2, seed=seed))
    play(copies, 1)
    with pytest.raises(RunError, match=rf"copy 1 at step 2 of episode 0 \(seed {seed}\): {said}"):
        play(copies, 1)


def test_a_wrong_shape_after_a_reset_and_a_state_that_changes_are_named(opened):
    env = faulty("reset shape")
    with pytest.raises(RunError, match=r"copy 0 at the reset of episode 0 .*'walker_0' has shape \(3, 1\)"):
        opened(env)
    floats = from_pettingzoo(doubles.Faulty, fault="floats", processes=1)
    with pytest.raises(
        RunError, match="the observation of agent 'walker_0' has type float32, but its space has type uint8"
    ):
        opened(floats)
    copies = opened(faulty("state", at=2, state="own"))
    assert copies.begin(np.zeros(3, int)).state.shape == (3, 4)
    with pytest.raises(
        RunError, match=r"state\(\) has shape \(7,\), but had \(4,\) at the first reset; state=\"observations\""
    ):
        play(copies, 2)


def test_workers_leave_the_end_to_their_parent(opened):
    copies = opened(faulty("nothing"))
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(pids(copies)[0], number)
    play(copies, 3)
    assert copies.failures() == ()


def test_closing_ends_a_worker_that_hangs_and_what_environments_started(opened):
    hanging = opened(faulty("hang", at=1, timeout=60.0))
    hanging.send(WALK)
    began = time.monotonic()
    hanging.close()
    assert gone(pids(hanging), 0) and time.monotonic() - began < 5
    env = from_pettingzoo(doubles.Served, processes=1)
    closed, killed = opened(env, 2), opened(env, 2)
    servers = [int(pid) for copies in (closed, killed) for pid in copies.begin(np.zeros(2, int)).state[:, 0]]
    assert len(set(servers)) == 4 and all(map(alive, servers))
    closed.close()
    os.kill(pids(killed)[0], signal.SIGSTOP)  # it cannot say goodbye
    killed.close()
    assert gone(servers)


SCRIPT = """
import time
from dataclasses import replace
import numpy as np
from hamlet.envs import from_pettingzoo
import doubles
idle = from_pettingzoo(doubles.Faulty, processes=2, copies=2, state="observations")
serving = replace(idle, factory="doubles:Served", processes=1)
hanging = replace(idle, options=(("fault", "hang in C"), ("at", 1)))
opened = [env.open(0, range(2)) for env in (idle, serving, hanging)]
for copies in opened:
    copies.begin(np.zeros(2, int))
opened[-1].send((np.ones((2, 2), np.int32),))
time.sleep(0.3)
print(*[process.pid for copies in opened for process in copies.workers], flush=True)
time.sleep(1000)
"""


@pytest.mark.slow
def test_killing_the_parent_leaves_no_process_and_no_shared_memory():
    """Neither of idle workers, nor of such as hang in compiled code, nor of what environments started."""
    memory = set(os.listdir("/dev/shm"))
    path = os.pathsep.join([str(Path(doubles.__file__).parent), *sys.path])
    parent = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert parent.stdout is not None
    workers = [int(pid) for pid in parent.stdout.readline().split()]
    children = [child for pid in workers for child in (pid, *started_by(pid))]
    try:
        assert len(workers) == 5 and len(children) == 7 and all(map(alive, children))
        assert set(os.listdir("/dev/shm")) == memory
    finally:
        parent.kill()
        parent.communicate()
    assert gone(children)
    assert set(os.listdir("/dev/shm")) == memory


def started_by(pid):
    """The processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_process_that_cannot_make_the_environment_leaves_nothing(opened):
    before = descriptors()
    for factory in (doubles.broken_factory, doubles.Quiet):
        with pytest.raises(RequestError):
            _ = from_pettingzoo(factory).groups
    assert descriptors() == before


def test_some_copies_leave_their_episodes_and_the_others_play_on(opened):
    copies = opened(faulty("none", steps=9))
    play(copies, 2)
    view = copies.leave(np.array([True, False, True]))
    assert view.observation[0][:, 0, 1].tolist() == [0, 2, 0] and copies.snapshot()["episode"].tolist() == [1, 0, 1]
    (after,) = play(copies, 1)
    assert after.arrival.observation[0][:, 0, 1].tolist() == [1, 3, 1] and copies.failures() == ()


def test_a_worker_that_dies_when_a_copy_leaves_its_episode_tells_of_all_by_their_numbers(opened):
    copies = opened(faulty("none", steps=9))
    play(copies, 2)
    os.kill(pids(copies)[0], signal.SIGKILL)
    view = copies.leave(np.array([True, False, False]))
    assert copies.snapshot()["episode"].tolist() == [1, 1, 1] and (view.observation[0][:, 0, 1] == 0).all()
    assert "SIGKILL" in copies.failures()[0]


def test_an_end_that_agents_alone_says_ends_the_episode_and_is_told_once(opened):
    env = from_pettingzoo(doubles.Odd, processes=1, oddity="agents alone")
    copies = opened(env, count=2)
    steps = play(copies, 8, (np.ones((2, 2), np.int32),))
    assert [step.outcome.terminated.tolist() for step in steps] == [
        [False] * 2,
        [False] * 2,
        [False] * 2,
        [True] * 2,
    ] * 2
    (note,) = copies.notes()
    assert "is reported only by agents" in note and copies.notes() == () and copies.failures() == ()


def test_a_simulator_that_a_process_holds_once_has_as_many_processes_as_copies_in_evaluations_too(opened):
    env = from_pettingzoo(doubles.Single, copies=4, processes=4)
    assert [env._workers(count) for count in (2, 4, 20)] == [2, 4, 20]
    assert [replace(env, copies=16)._workers(count) for count in (8, 20)] == [2, 5]
    copies = env.open(0, range(5))
    assert len(pids(copies)) == 5
    copies.close()
    with pytest.raises(
        RequestError, match=r"made as copy 1, together with other copies in one process: raised OSError: .*"
    ) as said:
        replace(env, processes=1).open(0, range(2))
    assert "set --env.processes equal to --num-envs" in str(said.value)
