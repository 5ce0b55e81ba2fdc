"""Train a team in each environment of the gallery, record animations, and write the record: ``make gallery``.

A run that is already in build/gallery is not trained again. The record contains commands, versions and returns.
"""

import datetime
import json
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures" / "gallery"
RECORD = ROOT / "benchmarks" / "records" / "gallery.json"
RUNS = ROOT / "build" / "gallery"
NOTE = "<!-- Written by `make docs` from benchmarks/records/gallery.json; do not edit. -->\n"
INTRODUCTION = """# Gallery: environments in motion

See what agents do in Hamlet's environments, and copy the command that trained them. Each animation is one episode of
the run's best policy with deterministic actions; the caption in the picture holds the step and the return. The
animations of bodies show the first 80 steps. [Environments](environments.md) explains the rules and options. To get a
video of your own run, use `hamlet evaluate RUN --video episode.gif` ([videos](reports.md#videos)). `make gallery`
trains all runs again and records these pictures ([record](RECORD)).
"""
# Name of the animation, description, algorithm, environment, environment steps, further options, environment options.
ENTRIES = (
    (
        "spread",
        "Three agents must cover three landmarks without touching each other.",
        *("happo", "mpe/simple_spread", 2_000_000, {}, {}),
    ),
    (
        "speaker-listener",
        "A speaker that cannot move tells a listener, by a signal, which landmark is the goal.",
        *("happo", "mpe/simple_speaker_listener", 2_000_000, {}, {}),
    ),
    (
        "reference",
        "Two agents each know the other's goal only, and tell it by signals.",
        *("happo", "mpe/simple_reference", 2_000_000, {}, {}),
    ),
    (
        "switch",
        "Four agents must pass a corridor that has room for one. Each sees its own position only and has memory.",
        *("il", "grid/switch", 1_000_000),
        *({"rnn_size": 64, "entropy": 0.01, "learning_rate": 5e-4, "critic_learning_rate": 5e-4}, {"agents": 4}),
    ),
    (
        "checkers",
        "Two agents cross a board of apples and lemons. Apples earn more for the first agent, lemons cost it more.",
        *("happo", "grid/checkers", 1_000_000, {"entropy": 0.05}, {}),
    ),
    (
        "half-cheetah",
        "The front legs and the hind legs of a cheetah are two agents with three joints each. Each agent receives "
        "the whole reward; the team return is their sum.",
        *("happo", "mamujoco/HalfCheetah-2x3", 1_000_000, {}, {}),
    ),
    (
        "hopper",
        "Each of the three joints of a hopping leg is an agent. Each receives the whole reward; the team return is "
        "the sum.",
        *("happo", "mamujoco/Hopper-3x1", 1_000_000, {}, {}),
    ),
    (
        "climbing",
        "A matrix game: the best joint action is next to heavy losses.",
        *("qplex", "matrix/climbing", 60_000, {}, {}),
    ),
    (
        "memory",
        "Each agent is shown a bit at the first step and is asked for it at the last step.",
        *("happo", "game/memory", 400_000, {"rnn_size": 16}, {}),
    ),
)


def command(algorithm, environment, steps, options, environment_options):
    """Return the shell command that trains an entry."""
    words = [f"--{name.replace('_', '-')} {value}" for name, value in options.items()]
    words += [f"--env.{name.replace('_', '-')} {value}" for name, value in environment_options.items()]
    return " ".join(["hamlet train", algorithm, environment, f"--steps {steps}", *words])


def train(name, algorithm, environment, steps, options, environment_options):
    """Return the run of an entry; train it if it does not exist."""
    import hamlet

    path = RUNS / name
    if (path / "evaluation.json").exists():
        return hamlet.load_runs(path)[0]
    env = hamlet.envs.make(environment, **environment_options)
    return hamlet.train(algorithm, env, steps=steps, seed=0, out=path, **options)


# The largest number of steps that an animation shows. Episodes of the MuJoCo bodies have 1,000 steps.
LONGEST = 80


def main():
    """Train all entries, record the animations, and write the record."""
    import hamlet
    from hamlet.runs import manifest

    PICTURES.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, shown, *entry in ENTRIES:
        run = train(name, *entry)
        recording = run.record(PICTURES / f"{name}.gif", best=True, seed=3, max_episode_steps=LONGEST)
        final = json.loads((RUNS / name / "evaluation.json").read_text(encoding="utf-8"))[0]
        row = {key: final[key] for key in ("mean", "standard_error", "episodes", "mode")}
        rows.append(
            {"name": name, "shown": shown, "command": command(*entry), **row, "steps_shown": recording.steps[0]}
        )
    record = {
        "record": "gallery",
        "says": "one run for each environment of the gallery, seed 0",
        "command": "make gallery",
        "made": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
        **manifest.describe(),
        "result": rows,
    }
    RECORD.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(hamlet.__version__, "wrote", RECORD)


def page():
    """Return the text of docs/gallery.md, from the record."""
    parts = [NOTE, INTRODUCTION.replace("RECORD", "../benchmarks/records/gallery.json")]
    for row in json.loads(RECORD.read_text(encoding="utf-8"))["result"]:
        mean = f"{row['mean']:.1f}".replace("-", "−")
        parts.append(f"## {row['command'].split()[3]}\n")
        parts.append(f"{row['shown']}\n")
        parts.append(f"![One episode in {row['command'].split()[3]}](pictures/gallery/{row['name']}.gif)\n")
        parts.append(f"    {row['command']}\n")
        parts.append(f"Mean team return of {row['episodes']} episodes, one seed: {mean}.\n")
    return "\n".join(parts)


if __name__ == "__main__":
    main()
