"""``hamlet export``: write each agent's policy as files that work without Hamlet."""

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
        out: The directory to create. Without it, RUN/export.
        best: Export the policy with the highest mean return in the run's evaluations, instead of the newest policy.
        trust: Execute code that the run names and that is not part of Hamlet, although you did not start the run on
            this machine.
        format: The formats to write, separated by commas: numpy, onnx, stablehlo, or all. Without it, all formats whose
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
    "Write each agent's policy of the run in the directory RUN as files that work without Hamlet:\n"
    "Python source code for NumPy with a file of weights, ONNX models, and StableHLO programs. The\n"
    "command also writes a README that describes all inputs and outputs. If possible, it writes play.py,\n"
    "a program in which the policies play in the environment.\n\n"
    "example: hamlet export runs/a --format numpy,onnx",
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
        f"wrote {len([name for name in names if name.name != '__init__.py'])} files ({', '.join(formats)}) to "
        f"{out}/policies"
    )
    print(f"for their inputs and outputs see {out}/README.md")
    return 0


def _asked(words: str) -> tuple[str, ...]:
    names = [word.strip() for word in words.split(",") if word.strip()]
    return check_formats(FORMATS if names == ["all"] else names)
