"""Optional packages: what is absent or broken is told in a line, and the line is right for how this copy came here."""

import json
import re
import shlex
import sys
import tomllib
from importlib.metadata import distribution

import pytest

from documents import ROOT
from hamlet import extras
from hamlet.errors import RequestError

METADATA = """Metadata-Version: 2.4
Name: hamlet-marl
Version: 0.1.0
Requires-Dist: jax>=0.10
Provides-Extra: mpe
Requires-Dist: mpe2>=1.1; extra == 'mpe'
Provides-Extra: atari
Requires-Dist: ale-py>=0.12; (python_version < '3.13') and extra == 'atari'
Requires-Dist: pettingzoo[atari]>=1.25; extra == "atari"
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts metadata of a copy beside the package; with what pip writes of its origin, if that is given."""
    site = tmp_path / "site"
    (site / "hamlet").mkdir(parents=True)
    (site / "hamlet_marl-0.1.0.dist-info").mkdir()
    (site / "hamlet_marl-0.1.0.dist-info" / "METADATA").write_text(METADATA)
    monkeypatch.setattr(extras, "_PACKAGE", (site / "hamlet").resolve())
    monkeypatch.syspath_prepend(site)

    def write(origin=None):
        if origin is not None:
            (site / "hamlet_marl-0.1.0.dist-info" / "direct_url.json").write_text(json.dumps(origin))

    return write


def test_a_clone_brings_the_extra_itself(tmp_path, monkeypatch):
    assert extras.install_line("mpe", "mpe2") == f"pip install -e {shlex.quote(f'{ROOT}[mpe]')}"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert extras.requirements("mpe") == project["optional-dependencies"]["mpe"]
    (tmp_path / "my clone" / "src" / "hamlet").mkdir(parents=True)
    (tmp_path / "my clone" / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    monkeypatch.setattr(extras, "_PACKAGE", tmp_path / "my clone" / "src" / "hamlet")
    assert shlex.split(extras.install_line("plots", "")) == ["pip", "install", "-e", f"{tmp_path}/my clone[plots]"]


def test_a_copy_from_a_wheel_names_the_wheel_while_it_is_there(install, tmp_path):
    wheel = tmp_path / "hamlet_marl-0.1.0-py3-none-any.whl"
    wheel.touch()
    install({"url": wheel.as_uri(), "archive_info": {}})
    assert extras.install_line("mpe", "") == f"pip install {shlex.quote(f'hamlet-marl[mpe] @ {wheel.as_uri()}')}"
    wheel.unlink()
    assert extras.install_line("mpe", "") == "pip install 'mpe2>=1.1'"


@pytest.mark.parametrize(
    ("origin", "address"),
    [
        ({"url": "https://example.org/hamlet.whl", "archive_info": {}}, "https://example.org/hamlet.whl"),
        (
            {"url": "https://example.org/a.git", "vcs_info": {"vcs": "git", "commit_id": "1f"}, "subdirectory": "b"},
            "git+https://example.org/a.git@1f#subdirectory=b",
        ),
        ({"url": "file:///", "dir_info": {}}, "file:///"),
    ],
)
def test_a_copy_from_an_address_names_that_address(install, origin, address):
    install(origin)
    assert shlex.split(extras.install_line("mpe", ""))[2:] == [f"hamlet-marl[mpe] @ {address}"]


@pytest.mark.parametrize("origin", [None, {}, [], {"url": 3, "vcs_info": {}}, {"url": "file:///nowhere"}, "x"])
def test_a_copy_of_unknown_origin_names_the_packages_of_the_extra(install, origin):
    install(origin)
    assert extras.install_line("mpe", "") == "pip install 'mpe2>=1.1'"
    assert extras.requirements("atari") == ["ale-py>=0.12; python_version < '3.13'", "pettingzoo[atari]>=1.25"]
    assert extras.install_line("unheard", "matplotlib") == "pip install matplotlib"


def test_the_metadata_of_another_copy_is_not_taken_for_this_one(install, tmp_path, monkeypatch):
    install({"url": "https://example.org/hamlet.whl", "archive_info": {}})
    monkeypatch.setattr(extras, "_PACKAGE", tmp_path / "elsewhere" / "hamlet")
    assert distribution("hamlet-marl").version == "0.1.0"
    assert extras.install_line("mpe", "mpe2") == "pip install mpe2"


def test_an_absent_package_and_a_broken_one_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RequestError) as refusal:
        extras.bring("ray", "--ray", "leave out --ray")
    advice = extras.install_line("ray", "ray")
    assert str(refusal.value) == f"--ray needs ray, which is not installed: run {advice}, or leave out --ray"

    for text, said in [
        ("import not_there_at_all", "ModuleNotFoundError: No module named 'not_there_at_all'"),
        ("raise ImportError('libGL.so.1: cannot open\\n  shared object file')", "ImportError: libGL.so.1: cannot open"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ]:
        (tmp_path / "wandb.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "wandb", raising=False)
        line = extras.lacking("wandb", "--wandb")
        assert line.startswith(f"--wandb needs wandb, which is installed but cannot be imported ({said}")
        assert line.endswith("run pip install --force-reinstall 'wandb>=0.20'") and "\n" not in line


def test_every_optional_package_is_one_that_its_extra_has():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == extras.DISTRIBUTION and project["scripts"] == {"hamlet": "hamlet.cli:main"}
    for package in extras.PACKAGES.values():
        names = [re.match(r"[\w.-]+", line)[0] for line in project["optional-dependencies"][package.extra]]
        assert re.match(r"[\w.-]+", package.name)[0] in names


def test_no_line_names_the_project_that_is_called_hamlet_in_the_package_index():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "Makefile", *(ROOT / "docs").rglob("*.md")]
    for path in [*pages, *(ROOT / "src").rglob("*.py"), *(ROOT / "examples").iterdir()]:
        text = path.read_text(encoding="utf-8")
        wrong = re.search(r"(?<![\w./-])hamlet\[\w|pip\s+install\s+(-\S+\s+)*['\"]?hamlet(?!-marl)\b", text)
        assert wrong is None, f"{path}: {wrong}"


def test_only_one_place_says_what_is_installed_how():
    for path in (ROOT / "src").rglob("*.py"):
        if path.name != "extras.py":
            assert "pip install" not in path.read_text(encoding="utf-8"), path


def test_a_factory_that_needs_an_extra_names_it(monkeypatch):
    from hamlet.envs.factories.place import find
    from hamlet.envs.pettingzoo.env_driver import Broken

    monkeypatch.setitem(sys.modules, "mpe2", None)
    with pytest.raises(Broken) as refusal:
        find("mpe2.no_such_game:parallel_env")
    assert str(refusal.value) == extras.absent("mpe2", "mpe2.no_such_game:parallel_env")
