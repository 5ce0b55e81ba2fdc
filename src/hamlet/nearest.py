"""Suggestions for a misspelt name: the valid names that the user probably meant.

A suggestion ignores upper and lower case. It knows the names that other libraries use, and it compares spellings. The
module imports only the standard library, because worker processes of environments use it.
"""

import difflib
import re
from collections.abc import Iterable, Mapping

# The smallest similarity of two spellings, from 0 to 1, at which a name is suggested. A lower value gives misleading
# suggestions.
_ALIKE = 0.6
# The fewest letters that are compared with the start of longer names, and the largest number of suggestions.
_BEGINNING, _SUGGESTED = 3, 3

_SPELLINGS: Mapping[str, str] = {
    # Algorithms.
    "mappo ippo happo": "ppo",
    "mappo": "rmappo r-mappo shared-ppo",
    "hatrpo": "trpo matrpo",
    "haa2c maa2c": "a2c a3c ia2c ac actor-critic",
    "haddpg maddpg": "ddpg iddpg",
    "hatd3 matd3": "td3",
    "hasac masac": "sac isac",
    "iql had3qn": "dqn ddqn q-learning double-dqn",
    "had3qn": "d3qn duelling-dqn dueling-dqn",
    "qtran": "qtran-base qtran-alt",
    # Environments.
    "simple-spread": "spread",
    "simple-speaker-listener": "speaker-listener",
    "simple-reference": "reference",
    "switch": "switch2 switch4",
    # Commands.
    "train": "fit learn run start",
    "evaluate": "eval test play judge",
    "report": "plot plots",
    "resume": "continue restart",
    "sweep": "tune search hpo optimise optimize",
    "list": "ls envs algorithms presets",
    # Options of a run.
    "steps": "total-timesteps timesteps n-timesteps total-steps num-env-steps num-steps-total frames t-max",
    "out": "log-dir logdir output-dir output save-dir save-path outdir run-dir results-dir",
    "seeds": "n-seeds num-seeds",
    "seed": "random-seed",
    "preset": "config",
    "init-from": "load load-path model-dir pretrained restore warm-start",
    "device": "cuda gpu accelerator",
    "wandb": "use-wandb track",
    "tensorboard": "tensorboard-log tb use-tensorboard",
    "checkpoint-every": "checkpoint-freq checkpoint-interval checkpoint-frequency save-freq save-interval save-every",
    "evaluate-every": "eval-freq eval-interval eval-every evaluation-interval test-interval",
    "evaluate-episodes": "eval-episodes n-eval-episodes num-eval-episodes test-nepisode",
    "episodes": "eval-episodes n-eval-episodes num-eval-episodes n-episodes num-episodes",
    "deterministic": "greedy",
    # Options of environments.
    "agents": "n-agents num-agents n",
    "max-steps": "max-cycles time-limit episode-limit max-episode-length horizon max-episode-steps",
    "max-episode-steps": "max-cycles time-limit episode-limit max-episode-length",
    "continuous": "continuous-actions",
    # Hyperparameters.
    "learning-rate": "lr actor-lr lr-actor pi-lr policy-lr learning-rate-actor actor-learning-rate step-size",
    "critic-learning-rate": "critic-lr lr-critic vf-lr value-lr q-lr learning-rate-critic",
    "learning-rate-decay": "anneal-lr lr-decay use-linear-lr-decay lr-schedule",
    "discount": "gamma discount-factor",
    "gae-lambda": "lam lambda lmbda gae-lam lambda-gae",
    "td-lambda": "lam lambda lmbda",
    "num-envs": "n-envs nenvs env-num n-rollout-threads num-environments n-threads num-workers num-env-runners",
    "rollout-length": "n-steps num-steps rollout-steps rollout-fragment-length unroll-length horizon episode-length "
    "steps-per-epoch",
    "n-step": "n-steps nstep multi-step",
    "clip": "clip-range clip-param clip-coef clip-eps clip-epsilon clip-ratio epsilon-clip eps-clip ppo-clip",
    "critic-clip": "clip-range-vf vf-clip-param value-clip clip-value",
    "entropy": "ent-coef entropy-coef entropy-coeff entropy-coefficient entropy-bonus entropy-weight ent",
    "epochs": "n-epochs ppo-epoch ppo-epochs update-epochs num-epochs k-epochs num-sgd-iter",
    "minibatches": "num-minibatches n-minibatches num-mini-batch minibatch-size mini-batch-size sgd-minibatch-size "
    "batch-size",
    "batch-size": "train-batch-size minibatch-size",
    "sharing": "share-policy share-param share-params share-parameters parameter-sharing shared-policy param-sharing",
    "max-gradient-norm": "max-grad-norm grad-clip gradient-clip grad-norm-clip clip-grad-norm",
    "polyak": "tau soft-update target-tau",
    "buffer-size": "replay-size replay-buffer-size buffer-capacity replay-capacity memory-size",
    "warmup": "learning-starts warmup-steps start-steps random-steps",
    "updates-per-rollout": "gradient-steps utd utd-ratio train-freq update-per-train num-updates",
    "hidden": "hidden-size hidden-sizes hidden-dim hidden-dims net-arch layers fcnet-hiddens hidden-units",
    "rnn-size": "rnn-hidden-dim rnn-hidden-size use-recurrent-policy recurrent use-rnn lstm gru lstm-size",
    "sequence-length": "data-chunk-length chunk-length seq-len seq-length bptt-length max-seq-len",
    "radius": "target-kl kl-threshold max-kl kl-target delta",
    "kl": "kl-coef kl-coeff kl-penalty",
    "iterations": "cg-iters cg-iterations cg-max-steps",
    "damping": "cg-damping",
    "exploration-start": "eps-start epsilon-start epsilon eps exploration-initial-eps initial-epsilon",
    "exploration-end": "eps-end epsilon-end epsilon-finish exploration-final-eps final-epsilon",
    "exploration-steps": "epsilon-anneal-time exploration-fraction epsilon-timesteps eps-decay",
    "exploration-noise": "action-noise expl-noise noise act-noise",
    "target-interval": "target-update-interval target-update-freq target-network-update-freq",
    "target-noise": "target-policy-noise policy-noise",
    "target-noise-clip": "noise-clip",
    "policy-delay": "policy-freq policy-frequency",
    "temperature": "alpha init-alpha init-temperature",
    "temperature-learning-rate": "alpha-lr temperature-lr",
    "activation": "activation-fn activation-func nonlinearity",
    "normalise-observations": "norm-obs obs-norm normalize-obs use-feature-normalization",
    "normalise-rewards": "norm-reward reward-norm normalize-reward",
}


def _aliases() -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for ours, theirs in _SPELLINGS.items():
        for alias in theirs.split():
            names.setdefault(alias, []).extend(ours.split())
    return names


ALIASES: Mapping[str, list[str]] = _aliases()
"""Hamlet's names, by the name that other libraries use, in lower case with hyphens."""


def closest(name: str, choices: Iterable[str]) -> tuple[str, ...]:
    """Return the choices that the user probably meant: at most three, the nearest first, or none.

    The comparison ignores upper and lower case, the difference between hyphens and underscores, the leading dashes of
    an option, and the version number of an environment. The part before the last slash of a name, and the prefix
    ``env.`` of an option, may be left out.

    >>> closest("HAPPO", ["happo", "vdn"]), closest("--lr", ["--from", "--learning-rate"])
    (('happo',), ('--learning-rate',))
    >>> closest("simple_spread_v3", ["mpe/simple_spread"]), closest("smac", ["happo", "mpe/simple_spread"])
    (('mpe/simple_spread',), ())
    """
    forms = {choice: _forms(choice) for choice in dict.fromkeys(choices)}
    words = _forms(name)
    if not words:
        return ()
    for wanted in (words, [ours for word in words for ours in ALIASES.get(word, ())]):
        same = [choice for word in wanted for choice, spellings in forms.items() if word in spellings]
        if same:
            return tuple(dict.fromkeys(same))[:_SUGGESTED]
    alike = {choice: max(_alikeness(words[0], form) for form in spellings) for choice, spellings in forms.items()}
    # Among equally similar names, prefer the one in the same case.
    best = max(alike, key=lambda choice: (alike[choice], _alikeness(name, choice)), default="")
    if alike.get(best, 0.0) >= _ALIKE:
        return (best,)
    begun = [
        choice
        for choice, spellings in forms.items()
        if spellings[0].startswith(words[0]) or spellings[-1].startswith(words[0])
    ]
    return tuple(begun[:_SUGGESTED]) if len(words[0]) >= _BEGINNING else ()


def suggestion(name: str, choices: Iterable[str], shown: str = "{!r}") -> str:
    """Return the end of an error message that suggests the nearest choices; empty if no choice is near.

    Args:
        name: The name as the user wrote it.
        choices: The valid names.
        shown: The format of a choice.

    >>> suggestion("radios", ["radius", "limits"]), suggestion("radios", ["clip"])
    ("; the nearest is 'radius'", '')
    >>> suggestion("ppo", ["mappo", "ippo"], "{}")
    '; the nearest are mappo and ippo'
    """
    near = [shown.format(choice) for choice in closest(name, choices)]
    if not near:
        return ""
    *others, last = near
    return f"; the nearest are {', '.join(others)} and {last}" if others else f"; the nearest is {last}"


def _forms(name: str) -> list[str]:
    """Return the forms of a name that are compared: the whole name, its last part, and that part without a version."""
    whole = re.sub(r"[_\s]+", "-", name.strip().lower()).lstrip("-")
    last = re.split(r"[/:]|^env\.", whole)[-1]
    return list(dict.fromkeys(form for form in (whole, last, re.sub(r"-v\d+$", "", last)) if form))


def _alikeness(word: str, form: str) -> float:
    return difflib.SequenceMatcher(None, form, word).ratio()
