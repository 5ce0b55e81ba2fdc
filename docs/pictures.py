"""Draw the pictures of the docs: ``make pictures``.

Those of docs/theory.md are computed here, by the library; the curves beside the reference's are read from their record.
"""

import json
from pathlib import Path

import numpy as np

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
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
STEPS = (0.5, 1.0, 2.5)


def product_path(step, *, sequential, sweeps=6):
    """Gradient ascent on r = a1·a2 from (1, −1): each agent's step against the other's old action, or its new one."""
    points = [np.array([1.0, -1.0])]
    for _ in range(sweeps):
        first, second = points[-1]
        moved = first + step * second
        points.append(np.array([moved, second + step * (moved if sequential else first)]))
    return np.array(points)


def paths():
    """Figure 1 of the paper: where both go from (1, −1), for three sizes of step."""
    figure = blank_figure(11.0, 4.2)
    grid = np.linspace(-4.5, 4.5, 200)
    for axes, step in zip(figure.subplots(1, len(STEPS)), STEPS, strict=True):
        levels = np.arange(-12, 13, 3)
        axes.contour(grid, grid, grid[None] * grid[:, None], levels=levels, colors="#cccccc", linewidths=0.7)
        for sequential, colour, label in ((True, BLUE, "one after another"), (False, ORANGE, "both at once")):
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
    """Example 2 as a game of one state: 1 where the first half plays one action and the second half the other."""
    half, reward = agents // 2, np.zeros((1, *(2,) * agents))
    for first in (0, 1):
        reward[(0, *(first,) * half, *(1 - first,) * half)] = 1.0
    return MarkovGame(reward, np.ones((*reward.shape, 1)), np.ones(1), 0.0)


def best_shared(game):
    """The best value of one policy for all agents, over a fine grid of its only number."""
    shares = np.linspace(0, 1, 201)
    rows = [(np.array([[1 - share, share]]),) * game.agents for share in shares]
    return max(evaluate(game, policies).value for policies in rows)


def sharing():
    """What sharing costs in Example 2, team by team."""
    teams = (2, 4, 6, 8, 10)
    games = [example_2(agents) for agents in teams]
    figure = blank_figure(7.0, 4.2)
    axes = figure.subplots()
    axes.plot(teams, [best_value(game) for game in games], "-o", color=BLUE, label="each agent its own policy")
    shared = [best_shared(game) for game in games]
    axes.plot(teams, shared, "-o", color=ORANGE, label="one policy for all, the best there is")
    axes.plot(teams, [2.0 / 2**n for n in teams], "+", color=GREY, markersize=12, label="2 / 2ⁿ")
    axes.set(yscale="log", xlabel="agents", ylabel="return", xticks=teams)
    axes.grid(color="#dddddd", linewidth=0.8)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(PICTURES / "sharing.png", facecolor="white")


def pennies():
    """Figure 4 of MATRL's paper: gradient play in matching pennies, which IGA leaves and MATRL settles."""
    game = named_games.matching_pennies().payoffs
    rules = {"matrl": gradient.Matrl(), "iga": gradient.Iga()}
    walks = {name: gradient_play.walk(rule, np.array(game), (0.9, 0.2), 1000) for name, rule in rules.items()}
    dynamics.draw("matching-pennies", np.array(game), walks, PICTURES / "pennies.png")


def beside_reference():
    """HAPPO on discrete spread: the reference's seeds beside ours, where there is a record of them."""
    path = PICTURES.parents[1] / "benchmarks" / "records" / "learning-spread-discrete-beside-reference.json"
    if not path.exists():
        return
    record = json.loads(path.read_text(encoding="utf-8"))
    figure = blank_figure(8.0, 4.4)
    axes = figure.subplots()
    for name, label, colour in (("reference", "the reference", ORANGE), ("ours", "Hamlet", BLUE)):
        for number, run in enumerate(record["result"][name]):
            steps = np.array(run["steps"]) / 1e6
            axes.plot(steps, run["returns"], color=colour, linewidth=1.5, label=None if number else label)
    axes.set(xlabel="million environment steps", ylabel="return of the team, mean of 20 episodes")
    axes.grid(color="#dddddd", linewidth=0.8)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(PICTURES / "beside-reference.png", facecolor="white")


def main():
    """Draw all."""
    PICTURES.mkdir(exist_ok=True)
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
