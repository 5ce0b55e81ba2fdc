"""Draw the figures of the documentation: ``make pictures``.

The library computes the data of the figures in docs/theory.md here. The learning curves come from their records.
"""

import json
from pathlib import Path

import numpy as np
from scipy import stats

import hamlet
from hamlet.envs.matrix import named_games
from hamlet.experiments import gradient_play, gradient_variance
from hamlet.games import gradient
from hamlet.reports.pictures import dynamics
from hamlet.reports.pictures import gradient_variance as report
from hamlet.reports.pictures.certificate import draw
from hamlet.reports.pictures.curve import blank_figure
from hamlet.tabular import MarkovGame, evaluate
from hamlet.tabular.certificate import best_value, certify

PICTURES = Path(__file__).parent / "pictures"
RECORDS = Path(__file__).parents[1] / "benchmarks" / "records"
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
STEPS = (0.5, 1.0, 2.5)


def product_path(step, *, sequential, sweeps=6):
    """Return the path of gradient ascent on r = a₁·a₂ from (1, −1).

    With sequential updates, the second agent uses the first agent's new action; otherwise it uses the old action.
    """
    points = [np.array([1.0, -1.0])]
    for _ in range(sweeps):
        first, second = points[-1]
        moved = first + step * second
        points.append(np.array([moved, second + step * (moved if sequential else first)]))
    return np.array(points)


def paths():
    """Draw figure 1 of the paper: sequential and simultaneous updates from (1, −1), for three step sizes."""
    figure = blank_figure(11.0, 4.2)
    grid = np.linspace(-4.5, 4.5, 200)
    for axes, step in zip(figure.subplots(1, len(STEPS)), STEPS, strict=True):
        levels = np.arange(-12, 13, 3)
        axes.contour(grid, grid, grid[None] * grid[:, None], levels=levels, colors="#cccccc", linewidths=0.7)
        for sequential, colour, label in ((True, BLUE, "sequential"), (False, ORANGE, "simultaneous")):
            path = product_path(step, sequential=sequential)
            axes.plot(*path.T, "-o", color=colour, markersize=4, linewidth=1.8, label=label)
        ends = [product_path(step, sequential=s, sweeps=1)[-1].prod() + 0.0 for s in (True, False)]
        title = f"step {step:g}: J = −1 → {ends[0]:g} and {ends[1]:g}".replace("-", "−")
        axes.set_title(title, loc="left", fontsize=11)
        axes.set(xlim=(-4.5, 4.5), ylim=(-4.5, 4.5), aspect="equal", xlabel="a₁")
        axes.plot(1, -1, "o", color=GREY, markersize=7)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("a₂")
    figure.axes[0].legend(frameon=False, fontsize=9, loc="upper left")
    figure.savefig(PICTURES / "product.png", facecolor="white")


def example_2(agents):
    """Return Example 2 as a game with one state.

    The reward is 1 if the first half of the agents plays one action and the second half plays the other action.
    """
    half, reward = agents // 2, np.zeros((1, *(2,) * agents))
    for first in (0, 1):
        reward[(0, *(first,) * half, *(1 - first,) * half)] = 1.0
    return MarkovGame(reward, np.ones((*reward.shape, 1)), np.ones(1), 0.0)


def best_shared(game):
    """Return the best value of a policy that all agents share, by a search over a fine grid of its one parameter."""
    shares = np.linspace(0, 1, 201)
    rows = [(np.array([[1 - share, share]]),) * game.agents for share in shares]
    return max(evaluate(game, policies).value for policies in rows)


def sharing():
    """Draw the loss of return from parameter sharing in Example 2, by the number of agents."""
    teams = (2, 4, 6, 8, 10)
    games = [example_2(agents) for agents in teams]
    figure = blank_figure(7.0, 4.2)
    axes = figure.subplots()
    axes.plot(teams, [best_value(game) for game in games], "-o", color=BLUE, label="a policy for each agent")
    shared = [best_shared(game) for game in games]
    axes.plot(teams, shared, "-o", color=ORANGE, label="one policy for all agents, the best one")
    axes.plot(teams, [2.0 / 2**n for n in teams], "+", color=GREY, markersize=12, label="2 / 2ⁿ")
    axes.set(yscale="log", xlabel="agents", ylabel="return", xticks=teams)
    axes.grid(color="#dddddd", linewidth=0.8)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(PICTURES / "sharing.png", facecolor="white")


def pennies():
    """Draw figure 4 of the MATRL paper: gradient play in matching pennies. IGA diverges and MATRL converges."""
    game = named_games.matching_pennies().payoffs
    rules = {"matrl": gradient.Matrl(), "iga": gradient.Iga()}
    walks = {name: gradient_play.walk(rule, np.array(game), (0.9, 0.2), 1000) for name, rule in rules.items()}
    dynamics.draw("matching-pennies", np.array(game), walks, PICTURES / "pennies.png")


def record(name):
    """Return a record of benchmarks/records, or None if it is missing."""
    path = RECORDS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def band(axes, label, colour, steps, returns):
    """Plot the mean over seeds and its 95 % interval (Student's t); ``returns`` has the shape [seeds, points]."""
    mean, seeds = returns.mean(0), len(returns)
    half = stats.t.ppf(0.975, seeds - 1) * returns.std(0, ddof=1) / np.sqrt(seeds)
    axes.plot(steps / 1e6, mean, color=colour, linewidth=1.8, label=label)
    axes.fill_between(steps / 1e6, mean - half, mean + half, color=colour, alpha=0.18, linewidth=0)


def finished(axes, title=None):
    """Style the axes of a learning curve."""
    axes.set_xlabel("million environment steps")
    if title:
        axes.set_title(title, loc="left", fontsize=11)
    axes.grid(color="#dddddd", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)


def curves_spread():
    """Draw the evaluations of HAPPO, HATRPO and MAPPO on continuous spread, with five seeds."""
    found = record("curves-spread")
    if found is None:
        return
    figure = blank_figure(6.4, 4.2)
    axes = figure.subplots()
    for (name, runs), colour in zip(found["result"]["curves"].items(), (BLUE, ORANGE, GREEN), strict=False):
        returns = np.array([run["returns"] for run in runs])
        band(axes, name.upper(), colour, np.array(runs[0]["steps"]), returns)
    finished(axes)
    axes.set_ylabel("mean return of the team")
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(PICTURES / "curves-spread.png", facecolor="white")


def curves_general_sum():
    """Draw the training returns of MATRL and of independent learners on two grid games and Hopper, with three seeds."""
    tasks = {"checkers": "grid/checkers", "switch-4": "grid/switch, four agents", "hopper-3x1": "Hopper-3x1"}
    figure = blank_figure(12.0, 4.0)
    for axes, (task, title) in zip(figure.subplots(1, 3), tasks.items(), strict=True):
        for name, label, colour in (("matrl", "MATRL", BLUE), ("il", "IL", ORANGE), ("il_pp", "IL-PP", GREEN)):
            runs = record(f"learning-{task}-{name}")["result"]["runs"]
            times = 3 if task == "hopper-3x1" else 1  # every agent receives the whole reward there
            returns = np.array([[point["return"] / times for point in run["curve"]] for run in runs])
            band(axes, label, colour, np.array([point["step"] for point in runs[0]["curve"]]), returns)
        finished(axes, title)
    figure.axes[0].set_ylabel("return of training episodes")
    figure.axes[0].legend(frameon=False, loc="lower right")
    figure.savefig(PICTURES / "curves-general-sum.png", facecolor="white")


def beside_reference():
    """Draw HAPPO on discrete spread: the seeds of the reference code and of Hamlet."""
    found = record("learning-spread-discrete-beside-reference")
    if found is None:
        return
    figure = blank_figure(8.0, 4.4)
    axes = figure.subplots()
    for name, label, colour in (("reference", "reference code", ORANGE), ("ours", "Hamlet", BLUE)):
        for number, run in enumerate(found["result"][name]):
            steps = np.array(run["steps"]) / 1e6
            axes.plot(steps, run["returns"], color=colour, linewidth=1.5, label=None if number else label)
    finished(axes)
    axes.set_ylabel("mean return of the team, 20 episodes")
    axes.legend(frameon=False)
    figure.savefig(PICTURES / "beside-reference.png", facecolor="white")


def main():
    """Draw all figures."""
    PICTURES.mkdir(exist_ok=True)
    curves_spread()
    curves_general_sum()
    beside_reference()
    paths()
    sharing()
    pennies()
    names = ("happo", "hatrpo", "haa2c", "maa2c")
    found = {name: certify(hamlet.algorithms.make(name), games=200, sweeps=60) for name in names}
    draw(found, PICTURES / "certificate.png")
    report.draw(gradient_variance.measure((2, 3, 4, 6, 8), games=200, choices=3, seed=0), PICTURES / "variance.png")


if __name__ == "__main__":
    main()
