"""Documents and examples are run in processes of their own, as by their readers."""

import os
import subprocess
import sys

import pytest


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """Where what one process compiled is found by the next."""
    return tmp_path_factory.mktemp("programs")


@pytest.fixture
def run(tmp_path, programs):
    """Runs a Python program in an empty directory; what it printed is the answer."""

    def run(*words):
        # Compiled in a hurry: these programs run for moments.
        environment = os.environ | {
            "JAX_PLATFORMS": "cpu",
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "true",
            "JAX_COMPILATION_CACHE_DIR": str(programs),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        found = subprocess.run(
            [sys.executable, *map(str, words)], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert found.returncode == 0, found.stderr
        return found.stdout

    return run
