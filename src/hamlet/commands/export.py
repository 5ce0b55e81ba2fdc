"""``hamlet export``: each agent's policy alone, as files that need no Hamlet."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hamlet.exporting.directory import FORMATS, check_formats, export, writable_formats
from hamlet.options.parsing import Command, OptionGroup
from hamlet.training.named_runs import named_run


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Options of ``hamlet export``.

    Attributes:
        out: The directory to make; RUN/export if it is not given.
        best: Export the policy that was evaluated best while the run trained, not its newest.
        trust: Run code that the run names and that is not Hamlet's, though the run is not one that you began here.
        format: Of numpy, onnx and stablehlo those to write, with commas between, or all; without it, those whose
            packages are installed.
    """

    out: str | None = None
    best: bool = False
    trust: bool = False
    format: str | None = None


COMMAND = Command(
    "hamlet export",
    ("RUN",),
    (OptionGroup("export", ExportOptions, pairs=False),),
    "Write each agent's policy of the run in the directory RUN alone, as files that need no Hamlet:\n"
    "NumPy source with its weights, ONNX, StableHLO, a README with every input and output,\n"
    "and a program that plays them in the environment.\n\nexample: hamlet export runs/a --format numpy,onnx",
)


def main(argv: Sequence[str]) -> int:
    """Export a run."""
    (path,), parsed = COMMAND.parse(argv)
    options = ExportOptions(**parsed.values["export"])
    formats = writable_formats() if options.format is None else _asked(options.format)
    named = named_run(path, best=options.best, trust=options.trust)
    out = export(named.run.path, options.out, formats=formats, best=named.best, trust=options.trust)
    names = sorted((Path(out) / "policies").iterdir())
    print(
        f"{len([name for name in names if name.name != '__init__.py'])} files of {', '.join(formats)} in {out}/policies"
    )
    print(f"what they take and give: {out}/README.md")
    return 0


def _asked(words: str) -> tuple[str, ...]:
    names = [word.strip() for word in words.split(",") if word.strip()]
    return check_formats(FORMATS if names == ["all"] else names)
