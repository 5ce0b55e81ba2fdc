"""Every test runs with shapes checked and without silent broadcasts of ranks."""

import gc
import json
import os
import sys
import tempfile
import time
import typing
from pathlib import Path

import hypothesis
import jax
import pytest
from jaxtyping import install_import_hook

sys.path.insert(0, str(Path(__file__).parent))  # for games and shapes
# beartype asks isinstance of a Protocol, which Python allows of marked ones only: here, all are.
typing.Protocol._is_runtime_protocol = True  # type: ignore[attr-defined]
# No test sees which runs this user began, or adds to them.
_STATE = tempfile.TemporaryDirectory(prefix="hamlet-state-")
os.environ["XDG_STATE_HOME"] = _STATE.name
# Before anything imports hamlet: every annotated array is then checked at every call.
install_import_hook("hamlet", "shapes.checked")
jax.config.update("jax_numpy_rank_promotion", "raise")
# Tests compile much and compute little: most of their time would go into optimising what runs for milliseconds. One
# module each rather than many, as the tests use every core anyway. Processes that tests start inherit all this; one
# that needs a flag of its own adds it.
_FLAGS = (
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
    "--xla_cpu_use_fusion_emitters=false",
    "--xla_cpu_parallel_codegen_split_count=1",
)
os.environ["XLA_FLAGS"] = " ".join((os.environ.get("XLA_FLAGS", ""), *_FLAGS))
# Programs compiled by an earlier run of the tests, or by a process that a test starts, are not compiled again.
_CACHE = Path(__file__).parents[1] / ".pytest_cache" / "xla"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.05")
jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
jax.config.update(
    "jax_persistent_cache_min_compile_time_secs", float(os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"])
)
# How long an example takes says what else the machine does.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")
# Tracing makes objects by the million and cycles by the hundred: looking for these as often as Python does is an eighth
# of all the time.
gc.set_threshold(100_000, 20, 50)
_MAPS = 30_000
_BEGAN = time.time()
_OUTCOMES: dict[str, str] = {}


@pytest.fixture(autouse=True, scope="module")
def _few_programs():
    """Compiled programs are mapped memory: at 65,530 maps Linux refuses more, and the process dies in the compiler."""
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > _MAPS:
        jax.clear_caches()


@pytest.fixture(scope="module")
def programs_once():
    """For modules that train the same thing in many tests."""
    import reuse

    with reuse.programs():
        yield


def pytest_addoption(parser):
    parser.addoption("--record", metavar="JSON", help="keep every test's outcome, with versions and hardware")
    parser.addoption("--digests", metavar="REASON", help="record the digests of parameters, and why they are others")


def pytest_configure(config):
    if config.getoption("--digests"):
        import digests

        digests.RECORDING.append(config.getoption("--digests"))


def pytest_runtest_logreport(report):
    """A test's outcome is that of its call, or of the setup that kept it from one."""
    if report.when == "call" or report.outcome != "passed":
        _OUTCOMES[report.nodeid] = report.outcome


def pytest_sessionfinish(session, exitstatus):
    if (reason := session.config.getoption("--digests")) and not exitstatus:
        import digests

        digests.record(reason)
    path = session.config.getoption("--record")
    if not path or hasattr(session.config, "workerinput"):
        return
    from hamlet.runs import manifest

    outcomes = sorted(_OUTCOMES.values())
    document = {
        "command": " ".join(["pytest", *session.config.invocation_params.args]),
        "made": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "seconds": time.time() - _BEGAN,
        **manifest.describe(),
        "counts": {outcome: outcomes.count(outcome) for outcome in set(outcomes)},
        "outcomes": dict(sorted(_OUTCOMES.items())),
    }
    Path(path).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
