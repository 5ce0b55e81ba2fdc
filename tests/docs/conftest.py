"""Documents are run as they stand, with training cut short."""

import re
import sys
from pathlib import Path

import pytest

import hamlet
from documents import ROOT, blocks, shrunk


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """``hamlet.train`` for two rollouts, here and now; few trials; imports from an empty working directory."""
    train, check_drift, modules = hamlet.train, hamlet.testing.check_drift, set(sys.modules)

    def short(algorithm, environment, *, steps, **options):
        return train(shrunk(algorithm), environment, steps=40, quiet=True, **options)

    monkeypatch.setattr(hamlet, "train", short)
    monkeypatch.setattr(hamlet.testing, "check_drift", lambda drift: check_drift(drift, trials=3))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in set(sys.modules) - modules:
        if Path(getattr(sys.modules[name], "__file__", None) or ROOT).is_relative_to(tmp_path):
            del sys.modules[name]


@pytest.fixture
def execute(tiny):
    """Runs a document's Python blocks one after another; one that begins with ``# NAME.py`` becomes that file."""

    def run(name):
        names = {}
        for code in blocks(name, "python"):
            if file := re.match(r"# (\w+\.py)\n", code):
                (tiny / file[1]).write_text(code, encoding="utf-8")
            else:
                exec(compile(code, name, "exec"), names)

    return run
