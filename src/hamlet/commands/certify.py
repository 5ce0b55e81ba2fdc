"""``hamlet certify``: test the guarantees of mirror learning for an algorithm, with exact updates on random games."""

import inspect
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hamlet import algorithms
from hamlet.envs.factories import user_modules
from hamlet.errors import RequestError, RunError, require, unknown
from hamlet.files.atomic_write import one_line, write
from hamlet.haml.template import Haml
from hamlet.options.parsing import HELP, Command, OptionGroup
from hamlet.tabular import certificate
from hamlet.tabular.certificate import AT_REST, NO_FALL, Certificate
from hamlet.tabular.mirror import require_triple
from hamlet.testing import check_drift


@dataclass(frozen=True, kw_only=True)
class CertifyOptions:
    """Options of ``hamlet certify``.

    Attributes:
        games: The number of random cooperative games, with 2 or 3 agents, 2 to 4 actions, 2 to 5 states, discount 0.9.
        sweeps: The number of updates of the whole team in each game.
        seed: The seed of the games, the initial policies and the orders of the agents.
        out: The directory for the figure, the table as JSON, and counter-examples.
    """

    games: int = 200
    sweeps: int = 100
    seed: int = 0
    out: str = "certificates"


COMMAND = Command(
    "hamlet certify",
    ("[ALGORITHM | MODULE:DRIFT]",),
    (OptionGroup("certificate", CertifyOptions, pairs=False),),
    "Test the guarantees of mirror learning for an algorithm. The command applies the algorithm's exact\n"
    "updates in many random cooperative games and checks that:\n\n"
    "  - the expected return J never decreases;\n"
    "  - the value of every state never decreases;\n"
    "  - the policies approach a Nash equilibrium.\n\n"
    "For algorithms that also maximise entropy, J includes the entropies. ALGORITHM is a name from\n"
    "`hamlet list algorithms`. Without it, the command tests all algorithms of mirror learning.\n"
    "MODULE:DRIFT is your own drift; the command checks that it is a drift and tests HAPPO with it.\n"
    "MODULE:ALGORITHM is your own algorithm. If J or a value decreases, the command saves the game and\n"
    "exits with status 1.\n\n"
    "example: hamlet certify happo --games 500",
)


def main(argv: Sequence[str]) -> int:
    """Test the algorithms, print a table, and save a figure and counter-examples."""
    word, options = read(argv)
    targets, out = _targets(word), Path(options.out)
    certs: dict[str, Certificate] = {}
    print(_HEADINGS)
    for name, algorithm in targets.items():
        certs[name] = certificate.certify(algorithm, games=options.games, sweeps=options.sweeps, seed=options.seed)
        print(_row(name, certs[name]), flush=True)
    _keep(certs, out, options)
    return 0 if all(cert.holds for cert in certs.values()) else 1


def read(argv: Sequence[str]) -> tuple[str | None, CertifyOptions]:
    """Return the algorithm or drift, if one is given, and the options.

    Raises:
        RequestError: An option is unknown or has a value of the wrong type.
    """
    if any(word in HELP for word in argv):
        COMMAND.show_help()
    words, _ = COMMAND.split(argv)
    _, parsed = COMMAND.parse(argv if words else ["", *argv])
    options = CertifyOptions(**parsed.values["certificate"])
    require(options.games >= 1, f"--games must be at least 1, got {options.games}")
    require(options.sweeps >= 1, f"--sweeps must be at least 1, got {options.sweeps}")
    return (words[0].text if words else None), options


def _targets(word: str | None) -> dict[str, Haml]:
    if word is None:
        candidates: dict[str, Any] = {name: make() for name, make in algorithms.ALGORITHMS.usable().items()}
        return {name: algorithm for name, algorithm in candidates.items() if _promised(name, algorithm)}
    if ":" not in word:
        if word not in algorithms.ALGORITHMS:
            raise unknown("algorithm", word, algorithms.ALGORITHMS)
        named: Any = algorithms.make(word)
        require_triple(named)
        return {word: named}
    target = _loaded(word)
    if hasattr(target, "__signature__") or isinstance(target, Haml):
        algorithm: Any = target if isinstance(target, Haml) else target()
        require_triple(algorithm)
        return {word: algorithm}
    return {word: replace(algorithms.happo(), drift=_drift(word, target))}


def _promised(name: str, algorithm: Any) -> bool:
    """Return whether the guarantees of mirror learning apply to an algorithm; print a line if they do not."""
    try:
        require_triple(algorithm)
    except RequestError:
        print(f"{name} is left out: the theory of mirror learning does not apply to it")
        return False
    return True


def _loaded(word: str) -> Any:
    """Return the object at MODULE:NAME; if it is a class, an instance, made without arguments.

    Raises:
        RequestError: The object cannot be loaded.
    """
    user_modules.called(word)
    try:
        target = getattr(user_modules.load(word), word.partition(":")[2])
        return target() if inspect.isclass(target) else target
    except Exception as error:
        raise RequestError(
            f"{word} cannot be loaded: {one_line(error)}; write MODULE:DRIFT or MODULE:ALGORITHM, with a module that "
            "Python finds from this directory"
        ) from error


def _drift(word: str, drift: Any) -> Any:
    """Return the drift, after a check that it is one.

    Raises:
        RequestError: The object is no drift; the message says which property fails, and for which policies.
    """
    require(callable(drift), f"{word} is no drift: it must be callable with (ratio, corrected, old, new)")
    try:
        check_drift(drift)
    except (AssertionError, TypeError, AttributeError) as error:
        raise RequestError(f"{word} is no drift: {one_line(error)}") from None
    return drift


_HEADINGS = f"{'':24}{'games':>7}{'J fell':>8}{'V fell':>8}{'worst fall':>12}{'equil.':>9}{'gap':>10}{'of J*':>8}"


def _row(name: str, solved: Certificate) -> str:
    """Return a row of the table.

    The columns are the number of games; the numbers of games in which J and in which a state's value fell; the largest
    fall; the share of games in a Nash equilibrium; the median gap; and the median share of the way to the optimum.
    """
    falls = solved.fall, solved.state_fall
    counts = "".join(f"{(fall > NO_FALL).sum():>8}" for fall in falls)
    worst = max(fall.max() for fall in falls)
    share = f"{100 * (solved.gap <= AT_REST).mean():.0f} %"
    reach = f"{100 * np.median(solved.reached):.0f} %"
    judged = name if solved.temperature is None else f"{name}, J_α, α = {solved.temperature:g}"
    return f"{judged:24}{len(solved.games):>7}{counts}{worst:>12.1e}{share:>9}{np.median(solved.gap):>10.1e}{reach:>8}"


def _keep(certificates: dict[str, Certificate], out: Path, options: CertifyOptions) -> None:
    from hamlet.reports.pictures.certificate import draw

    try:
        out.mkdir(parents=True, exist_ok=True)
        tables = {name: certificate.as_table(cert) for name, cert in certificates.items()}
        asked = {"games": options.games, "sweeps": options.sweeps, "seed": options.seed}
        write(out / "certificate.json", json.dumps(asked | {"algorithms": tables}) + "\n")
        for name, cert in certificates.items():
            if (number := cert.counter_example) is not None:
                path = out / f"counter-example-{name.replace(':', '-')}.json"
                write(path, json.dumps(certificate.as_document(cert, number)) + "\n")
                print(
                    f"{name}: in game {number}, J or a value fell by "
                    f"{max(cert.fall[number], cert.state_fall[number]):.3g}; the game is saved in {path}"
                )
    except OSError as error:
        raise RunError(f"{out} cannot be written: {error.strerror}") from error
    print(
        "J fell, V fell: number of games in which the expected return J, or the value V of a state, fell in an update\n"
        "worst fall:     the largest fall in all games\n"
        f"equil.:         share of games in which, after {options.sweeps} updates, no agent can gain more than "
        f"{AT_REST:g} of the range of payoffs by changing its policy alone\n"
        "gap:            the median of this gain\n"
        "of J*:          median share of the way from the initial return to the best return J*; the theory does not "
        "guarantee that it reaches 100 %"
    )
    if any(cert.temperature is not None for cert in certificates.values()):
        print(
            "J_α:            the objective E Σ γᵗ [ r + α Σᵢ H(πⁱ) ] of algorithms that also maximise the entropy H, "
            "with the α of their first update; here J and V include the entropies, the equilibrium is a quantal "
            "response equilibrium, and `of J*` uses the reward alone"
        )
    try:
        print(f"wrote {draw(certificates, out / 'certificate.png')}")
    except RequestError as error:
        print(f"the figure is not drawn: {error}")
