"""``hamlet certify``: does an algorithm do what mirror learning promises? Found out on random games, solved exactly."""

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
        games: Random cooperative games: 2 or 3 agents, 2 to 4 actions, 2 to 5 states, discount 0.9.
        sweeps: Updates of the whole team in each.
        seed: From which games, first policies and orders are drawn.
        out: A directory for the picture, the table as JSON, and counter-examples.
    """

    games: int = 200
    sweeps: int = 100
    seed: int = 0
    out: str = "certificates"


COMMAND = Command(
    "hamlet certify",
    ("[ALGORITHM | MODULE:DRIFT]",),
    (OptionGroup("certificate", CertifyOptions, pairs=False),),
    "Solve an algorithm exactly on many random cooperative games, and look whether it does what mirror\n"
    "learning promises: J never falls, no state's value falls, the Nash gap vanishes; of algorithms that maximise\n"
    "entropy as well, of J with it. ALGORITHM is one of `hamlet list algorithms`; without one, all are tried that\n"
    "are triples of mirror learning. MODULE:DRIFT is a drift of yours, put in the place of\n"
    "HAPPO's; it is refused where it is no drift. Status 1 where a fall was found: the game is saved.\n\n"
    "example: hamlet certify happo --games 500",
)


def main(argv: Sequence[str]) -> int:
    """Certify, print a table, draw a picture, save counter-examples."""
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
    """The word, if there is one, and the options.

    Raises:
        RequestError: If something is unknown or of the wrong kind.
    """
    if any(word in HELP for word in argv):
        COMMAND.show_help()
    words, _ = COMMAND.split(argv)
    _, parsed = COMMAND.parse(argv if words else ["", *argv])
    options = CertifyOptions(**parsed.values["certificate"])
    require(options.games >= 1, f"--games must be at least 1, not {options.games}")
    require(options.sweeps >= 1, f"--sweeps must be at least 1, not {options.sweeps}")
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
    """Whether mirror learning promises anything of an algorithm; said if not."""
    try:
        require_triple(algorithm)
    except RequestError:
        print(f"{name} is left out: it is no triple of mirror learning, and nothing is promised of it")
        return False
    return True


def _loaded(word: str) -> Any:
    """What stands at MODULE:NAME; of a class that needs no arguments, an object.

    Raises:
        RequestError: There is none.
    """
    user_modules.called(word)
    try:
        target = getattr(user_modules.load(word), word.partition(":")[2])
        return target() if inspect.isclass(target) else target
    except Exception as error:
        raise RequestError(
            f"{word} cannot be had: {one_line(error)}; write MODULE:DRIFT or MODULE:ALGORITHM, from here"
        ) from error


def _drift(word: str, drift: Any) -> Any:
    """A drift, if it is one.

    Raises:
        RequestError: It breaks the definition: where, and how.
    """
    require(callable(drift), f"{word} is no drift: it cannot be called with (ratio, corrected, old, new)")
    try:
        check_drift(drift)
    except (AssertionError, TypeError, AttributeError) as error:
        raise RequestError(f"{word} is no drift: {one_line(error)}") from None
    return drift


_HEADINGS = f"{'':24}{'games':>7}{'J fell':>8}{'V fell':>8}{'worst fall':>12}{'at rest':>9}{'gap':>10}{'of J*':>8}"


def _row(name: str, solved: Certificate) -> str:
    """Games; falls of J and of a state's value; the worst; games at a Nash point; the median gap and reach."""
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
                    f"{name}: in game {number} it fell by {max(cert.fall[number], cert.state_fall[number]):.3g}: {path}"
                )
    except OSError as error:
        raise RunError(f"{out} cannot be written: {error.strerror}") from error
    print(
        f"J and V: the return and the values of states; at rest: no agent gains more than {AT_REST:g} of the range of "
        f"payoffs by deviating alone after {options.sweeps} sweeps; gap: that gain, the median; of J*: how far of the "
        "way from the first return to the best one, the median (the theory promises none of it)"
    )
    if any(cert.temperature is not None for cert in certificates.values()):
        print(
            "J_α: algorithms that maximise E Σ γᵗ [ r + α Σᵢ H(πⁱ) ] are judged by it, at the α of their first update: "
            "J and V hold the entropies, and at rest is a quantal response equilibrium; of J* is of the reward alone"
        )
    try:
        print(f"wrote {draw(certificates, out / 'certificate.png')}")
    except RequestError as error:
        print(f"no picture: {error}")
