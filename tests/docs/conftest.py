"""Documents and examples are run in processes of their own, as by their readers."""

import os
import subprocess
import sys

import pytest


@pytest.fixture
def run(tmp_path):
    """Runs a Python program in an empty directory; what it printed is the answer."""

    def run(*words):
        # Small things too: the next process asks for many of the same.
        environment = os.environ | {
            "JAX_PLATFORMS": "cpu",
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        found = subprocess.run(
            [sys.executable, *map(str, words)], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert found.returncode == 0, found.stderr
        return found.stdout

    return run
