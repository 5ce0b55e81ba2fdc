"""What the shells complete, from the script that `hamlet completion` prints."""

import shutil
import subprocess

import pytest

from hamlet.cli import main

pytest.importorskip("shtab")

# Bash calls the function with the words so far in COMP_WORDS, the last of them unfinished.
ASK = """
function=$(complete -p hamlet | sed 's/.*-F \\([^ ]*\\).*/\\1/')
while read -r line; do
  COMP_WORDS=($line) COMP_LINE=$line COMP_POINT=${#line} COMPREPLY=()
  [[ $line == *. ]] && COMP_WORDS[-1]=${COMP_WORDS[-1]%.}
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  $function
  echo "${COMPREPLY[*]}"
done
"""
LINES = {
    "hamlet tr": {"train"},
    "hamlet train hat": {"hatrpo", "hatd3"},
    "hamlet train happo mpe/": {"mpe/simple_spread", "mpe/simple_speaker_listener", "mpe/simple_reference"},
    "hamlet train happo mamujoco/Humanoid-9": {r"mamujoco/Humanoid-9\|8"},
    "hamlet train happo mpe/simple_spread --cl": {"--clip"},
    "hamlet train hatrpo mpe/simple_spread --cl": set(),
    "hamlet train happo mpe/simple_spread --preset tuned/m": {"tuned/mpe", "tuned/mpe/shared", "tuned/matrix"},
    "hamlet train happo mpe/simple_spread --env.loc": {"--env.local-ratio"},
    "hamlet sweep happo mpe/simple_spread --tri": {"--trials"},
    "hamlet list .": {"algorithms", "envs", "presets"},
    "hamlet bench dec": {"decomposition"},
    "hamlet games dynamics match": {"matching-pennies"},
    "hamlet evaluate a --epis": {"--episodes"},
}


def script(shell, capsys):
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


def test_bash_completes_commands_algorithms_environments_options_and_presets(tmp_path, capsys):
    path = tmp_path / "hamlet.bash"
    path.write_text(script("bash", capsys) + ASK)
    said = subprocess.run(["bash", str(path)], input="\n".join(LINES) + "\n", capture_output=True, text=True)
    assert said.stderr == ""
    assert dict(zip(LINES, (set(line.split()) for line in said.stdout.splitlines()), strict=True)) == LINES


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_read_their_scripts(shell, tmp_path, capsys):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    path = tmp_path / f"hamlet.{shell}"
    path.write_text(script(shell, capsys))
    said = subprocess.run([shell, "-n", str(path)], capture_output=True, text=True)
    assert (said.returncode, said.stderr) == (0, "")
    if shell == "fish":
        ask = f"source {path}; complete -C 'hamlet train hat'"
        found = subprocess.run(["fish", "-c", ask], capture_output=True, text=True).stdout
        assert {line.split("\t")[0] for line in found.splitlines()} == {"hatrpo", "hatd3"}


def test_another_shell_is_refused_with_those_there_are(capsys):
    assert main(["completion", "tcsh"]) == 2
    assert capsys.readouterr().err == "hamlet: there is no shell 'tcsh' (choose from bash, fish, zsh)\n"
