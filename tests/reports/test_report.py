"""The page, Markdown and CSV of some runs, and the page that is served while they train, in a real browser."""

import csv
import http.client
import io
import itertools
import json
import re
import signal
import threading
import time

import numpy as np
import pytest

import browser
from hamlet.bench.baseline.runs import make
from hamlet.commands import report as command
from hamlet.commands import watch as watch_command
from hamlet.envs.scene import Cell, Circle, Scene
from hamlet.errors import RequestError
from hamlet.reports import record_frames, tables, watch
from hamlet.reports.data.run_data import read_all
from hamlet.reports.pictures import runs as pictures
from hamlet.reports.report import write
from hamlet.rollouts.record_episode import Frame
from hamlet.runs.metrics import Metrics

DESCRIBED = {"versions": {"hamlet": "0.1.0"}, "hardware": {"cpu": "a"}, "platform": "b", "revision": None}
TASKS = ("mpe/simple_reference", "mpe/simple_spread")


def moving(state, actions):
    """A point that goes to the right, and a cell that is marked at the end."""
    return Scene((Circle(state, 0.0, 0.1, 0, f"step {state}"), Cell(0, 1, "8", state == 20)), (-1, -1, 21, 2), 0.05)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two algorithms on two environments, four seeds each."""
    root = tmp_path_factory.mktemp("report") / "runs"
    for algorithm in ("happo", "mappo"):
        for task in TASKS:
            for seed in range(4):
                path = root / f"{algorithm}-{task[4:]}" / f"seed-{seed}"
                make(path, algorithm, task, seed, steps=1_000_000, rollouts=40, described=DESCRIBED)
    return root


@pytest.fixture(scope="module")
def made(runs):
    """The report, and what it was made of."""
    film = record_frames.picture((Frame(step, None, np.ones(1)) for step in range(21)), moving, ["agent_0"])
    told = {"label": "happo, seed 0", "mode": "deterministic policy", "step": 1}
    first = {"run": str(runs / "happo-simple_reference" / "seed-0"), "episodes": [film], **told}
    absent = {"run": str(runs / "happo-simple_spread" / "seed-0"), "note": "it does not say how it is drawn", **told}
    out = runs.parent / "out"
    return out, write([runs], out, film=lambda readings: [first, absent])


def test_the_page_is_one_file_that_asks_for_no_other(made):
    text = (made[0] / "report.html").read_text(encoding="utf-8")
    assert not re.findall(r"(?:src|href)=[\"'](?!data:|#)", text)
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert "@import" not in text and "url(" not in text


def test_the_numbers_of_the_csv_are_those_of_the_document_and_of_the_runs(made, runs):
    out, document = made
    rows = list(csv.DictReader(io.StringIO((out / "table.csv").read_text(encoding="utf-8"))))
    (row,) = (r for r in rows if (r["environment"], r["algorithm"], r["measure"]) == (TASKS[1], "mappo", "mean"))
    finals = [
        json.loads((runs / "mappo-simple_spread" / f"seed-{seed}" / "evaluation.json").read_text()) for seed in range(4)
    ]
    assert float(row["value"]) == pytest.approx(np.mean([points[0]["mean"] for points in finals]), rel=1e-4)
    assert float(row["low"]) < float(row["value"]) < float(row["high"]) and row["seeds"] == "4"
    curves = list(csv.DictReader(io.StringIO((out / "curves.csv").read_text(encoding="utf-8"))))
    assert len(curves) == sum(len(curve["x"]) for group in document["groups"] for curve in group["curves"].values())
    own = [one.training.values for one in read_all([runs / "mappo-simple_spread"])]
    (last,) = (
        r
        for r in curves
        if (r["environment"], r["algorithm"], r["over"], r["x"]) == (TASKS[1], "mappo", "steps", "1000000")
    )
    assert float(last["iqm"]) == pytest.approx(np.mean(sorted(values[-1] for values in own)[1:3]), rel=1e-4)


def test_profiles_and_improvements_are_those_of_the_statistics(made):
    overall = made[1]["overall"]
    for row in overall["rows"]:
        shares = row["profile"]["y"]
        assert row["profile"]["x"][0] == 0 and row["profile"]["x"][-1] == 1 and shares[-1] == 0
        assert all(more >= less for more, less in itertools.pairwise(shares))
    # Of each of the two environments there is a best run, which no threshold below 1 keeps out.
    assert sum(row["profile"]["y"][-2] for row in overall["rows"]) >= 2 / 8
    for pair, scores in [
        (task["improvement"][0], _scores(made[1], number)) for number, task in enumerate(made[1]["tasks"])
    ]:
        won = [(x > y) + (x == y) / 2 for x in scores[pair["first"]] for y in scores[pair["second"]]]
        assert pair["probability"][0] == pytest.approx(np.mean(won)) and pair["probability"][1] is not None


def _scores(document, task):
    return {group["algorithm"]: group["scores"] for group in document["groups"] if group["task"] == task}


def test_markdown_has_every_score_and_a_command_for_every_run(made, runs):
    text = (made[0] / "report.md").read_text(encoding="utf-8")
    for group in made[1]["groups"]:
        value, low, high = group["final"]["iqm"]
        scale = max(map(abs, (value, low, high)))
        assert f"{tables._number(value, scale)} [{tables._number(low, scale)}, {tables._number(high, scale)}]" in text
    assert text.count("hamlet train --from ") == 16
    assert f"hamlet train --from {runs / 'happo-simple_spread' / 'seed-3' / 'config.json'} --out " in text


def test_the_command_writes_the_report_and_says_what_is_missing(runs, tmp_path, capsys):
    assert command.main([str(runs / "happo-simple_spread"), "--out", str(tmp_path / "r"), "--no-animation"]) == 0
    shown = capsys.readouterr()
    assert "4 runs" in shown.out
    assert shown.err.startswith("4 of 4 runs are not in marl-eval.json; the first run is left out because it has no ")
    assert shown.err.count("\n") == 1
    with Metrics(
        make(tmp_path / "b", "happo", TASKS[0], 0, rollouts=4, described=DESCRIBED) / "metrics.sqlite"
    ) as metrics:
        metrics.truncate(0)
    assert command.main([str(tmp_path / "b"), str(runs), "--out", str(tmp_path / "r"), "--no-animation"]) == 0
    assert "b: stopped at 0 of 10,000,000 steps" in capsys.readouterr().err
    assert {path.name for path in (tmp_path / "r").iterdir()} == {
        "report.html",
        "report.md",
        "curves.csv",
        "table.csv",
        "marl-eval.json",
    }


def test_the_curves_are_drawn_as_files_whose_text_is_text(made, tmp_path):
    pytest.importorskip("matplotlib")
    document = made[1] | {"tasks": made[1]["tasks"][:1]}
    drawn = pictures.draw(document, tmp_path, pictures.check_formats("svg"))
    drawn += pictures.draw(document | {"diagnostics": []}, tmp_path, pictures.check_formats(".PDF"))
    assert [path.name for path in drawn] == [
        "returns-mpe-simple-reference.svg",
        "learning-mpe-simple-reference.svg",
        "returns-mpe-simple-reference.pdf",
    ]
    for path, title in zip(drawn, ("team return", "Entropy of the policies, nats"), strict=False):
        for text in (TASKS[0], "happo (4 seeds)", "mappo (4 seeds)", title):
            assert re.search(rf"<text[^>]*>{re.escape(text)}</text>", path.read_text())
    assert b"/CIDFontType2" in drawn[-1].read_bytes()  # TrueType: letters, no outlines


def test_wrong_requests_are_refused_before_anything_is_written(runs, tmp_path):
    run = str(runs / "happo-simple_spread" / "seed-0")
    for words, said in [
        ([], "RUN is missing"),
        ([run, "--uot", "x"], "the nearest is --out"),
        ([str(tmp_path / "nothing"), "--out", str(tmp_path / "x")], "does not exist"),
        ([run, "--out", run], "is a run; choose another directory"),
        (
            [run, "--out", str(tmp_path / "x"), "--pictures", "gif"],
            "no format of pictures 'gif' .choose from pdf, png, svg",
        ),
    ]:
        with pytest.raises(RequestError, match=said):
            command.main(words)
    with pytest.raises(RequestError, match=r"no option --host \(of --port, "):
        watch_command.main([run, "--host", "0.0.0.0"])
    assert not (tmp_path / "x").exists()


class Served:
    """What a served page answers."""

    def __init__(self, port):
        self.port = port

    def ask(self, path, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A run that is watched."""
    monkeypatch.setattr(watch, "_LOOK_SECONDS", 0.0)
    run = make(tmp_path / "live", "happo", TASKS[0], 0, steps=1_000_000, rollouts=40, described=DESCRIBED)
    with Metrics(run / "metrics.sqlite") as metrics:
        metrics.truncate(500_000)
    server = watch.server(watch.WatchedRuns([run]), 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield run, Served(server.server_address[1])
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_watched_run_is_served_anew_where_it_has_changed_and_to_this_machine_alone(served):
    run, page = served
    status, body, headers = page.ask("/report.json")
    assert status == 200 and json.loads(body)["runs"][0]["done"] == 500_000
    assert page.ask("/report.json", If_None_Match=headers["ETag"])[0] == 304
    with Metrics(run / "metrics.sqlite") as metrics:
        metrics.write([(525_000, {"return": -20.0, "env_steps_per_second": 5e4})])
    status, body, _ = page.ask("/report.json", If_None_Match=headers["ETag"])
    assert status == 200 and json.loads(body)["runs"][0]["done"] == 525_000
    assert b"<!doctype html>" in page.ask("/")[1]
    assert page.ask("/", Host=f"evil.example:{page.port}")[0] == 403
    assert page.ask("/../config.json")[0] == page.ask("/config.json")[0] == 404
    with pytest.raises(RequestError, match="try --port"):
        watch.server(watch.WatchedRuns([run]), page.port)


def test_ctrl_c_ends_watching_at_once(runs):
    server = watch.server(watch.WatchedRuns([runs / "happo-simple_spread"]), 0)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    began = time.monotonic()
    try:
        watch.serve(server)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - began < 2.0


needs_browser = pytest.mark.skipif(browser.PROGRAM is None, reason="there is no Chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def page():
    with browser.page() as found:
        yield found


@needs_browser
def test_in_a_browser_the_page_has_curves_that_can_be_read_filtered_and_put_over_time(page, made):
    out, document = made
    page.open((out / "report.html").as_uri())
    paths = page.run(
        "[...document.querySelectorAll('#tasks .pair path.line')].map(one => one.getAttribute('d').length)"
    )
    assert len(paths) == 4 and min(paths) > 200
    assert page.run("document.querySelectorAll('#tasks .pair path.band').length") == 4
    page.hover("#tasks .chart", "!document.querySelector('#tasks .tip').hidden")
    told = page.run("document.querySelector('#tasks .tip').innerText")
    assert "happo" in told and "mappo" in told and "4 seeds" in told and "steps" in told
    page.run("document.querySelector('#tasks .chart').focus()")
    page.press("End")
    last = document["groups"][0]["curves"]["steps"]["y"][-1]
    assert f"{last:.1f}".replace("-", "−") in page.run("document.querySelector('#tasks .tip').innerText")
    page.run("document.querySelector('#toolbar .chip').click()")
    assert (
        page.run("[...document.querySelectorAll('#tasks .pair path.line')].map(one => one.dataset.algorithm)")
        == ["mappo"] * 2
    )
    assert page.run("document.querySelector('#toolbar .chip').getAttribute('aria-pressed')") == "false"
    page.run("document.querySelector('#toolbar .chip').click()")
    page.run("[...document.querySelectorAll('.choice button')].find(one => one.innerText === 'Time').click()")
    assert "training time" in page.run("document.querySelector('#tasks .chart svg').textContent")
    assert page.run("document.querySelectorAll('#tasks .pair path.line').length") == 4
    page.run("[...document.querySelectorAll('.chip')].find(one => one.innerText === 'mpe/simple_spread').click()")
    assert page.run("document.querySelectorAll('#tasks section').length") == 1
    assert page.complaints == []


@needs_browser
def test_in_a_browser_profiles_fall_from_random_play_to_the_best_run_and_improvements_are_told(page, made):
    out, document = made
    page.open((out / "report.html").as_uri())
    page.hover("#overall .chart", "!document.querySelector('#overall .tip').hidden")
    assert re.match(r"above 0\.\d\d", page.run("document.querySelector('#overall .tip').innerText"))
    page.run("document.querySelector('#overall .chart').focus()")
    page.press("Home")
    shares = [row["profile"]["y"][0] for row in document["overall"]["rows"]]
    told = page.run("document.querySelector('#overall .tip').innerText")
    assert len(shares) == 2 and all(f"{share:.2f}" in told for share in shares)
    page.run("document.querySelector('#overall details.improvement').open = true")
    (pair,) = document["overall"]["improvement"]
    assert f"{pair['probability'][0]:.2f}" in page.run("document.querySelector('#overall details').innerText")
    page.run("document.querySelector('#toolbar .chip').click()")
    assert page.run("document.querySelectorAll('#overall path.line').length") == 1
    assert page.run("document.querySelector('#overall details')") is None
    assert page.complaints == []


@needs_browser
def test_in_a_browser_the_agents_move_stop_and_are_drawn_and_what_cannot_be_shown_is_said(page, made):
    page.open((made[0] / "report.html").as_uri())
    page.run("document.querySelector('canvas').scrollIntoView({block: 'center'})")
    page.until("Number(document.querySelector('.play input').value) >= 3")
    page.run("document.querySelector('.play button').click()")
    stood = page.run("document.querySelector('.play input').value")
    drawn = (
        "[...document.querySelector('canvas').getContext('2d').getImageData(0, 0, 9999, 9999).data].some(one => one)"
    )
    assert page.run(drawn.replace("9999, 9999", "300, 100"))
    time.sleep(0.15)
    assert page.run("document.querySelector('.play input').value") == stood
    page.run("document.querySelector('.play input').value = 20")
    page.run("document.querySelector('.play input').dispatchEvent(new Event('input'))")
    assert "return so far 21" in page.run("document.querySelector('.caption').innerText")
    assert "It does not say how it is drawn" in page.run("document.getElementById('tasks').innerText")
    assert page.complaints == []


@needs_browser
def test_in_a_browser_an_environment_that_renders_itself_is_shown_by_its_pictures(page, made):
    page.open((made[0] / "report.html").as_uri())
    page.run("""(() => {
        const filled = (colour) => {
            const one = document.createElement('canvas'), pen = one.getContext('2d');
            pen.fillStyle = colour; pen.fillRect(0, 0, 300, 150);
            return one.toDataURL();
        };
        const pictures = [filled('#ff0000'), filled('#0000ff')], steps = [0, 7], totals = [0, 3];
        const film = {frames: 2, interval: 0.1, view: [0, 0, 2, 1], pictures, steps, totals};
        window.film = new Player({label: 'a', mode: 'b', episodes: [film]});
        window.film.wanted = true;
        document.querySelector('main').prepend(window.film.card);
        window.colour = () => {
            const pen = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
            pen.drawImage(window.film.canvas, 0, 0);
            return [...pen.getImageData(99, 99, 1, 1).data].join();
        };
    })()""")
    colour = "window.colour()"
    page.until(f"{colour} === '255,0,0,255'")
    page.run("window.film.frame = 1; window.film.draw()")
    page.until(f"{colour} === '0,0,255,255'")
    assert page.run("window.film.count.textContent") == "7 / 7"
    assert page.run("window.film.caption.textContent") == "return so far 3.00" and page.complaints == []


@needs_browser
def test_on_a_phone_nothing_is_wider_than_the_screen_and_dark_colours_can_be_read(page, made):
    for dark in (False, True):
        page.open((made[0] / "report.html").as_uri(), width=390, height=844, phone=True, dark=dark)
        page.run("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        assert page.run("document.documentElement.scrollWidth") == 390
        for name in ("--ink", "--soft", *(f"--c{number}" for number in range(8))):
            read = "getComputedStyle(document.documentElement).getPropertyValue('{}').trim()"
            assert contrast(page.run(read.format(name)), page.run(read.format("--card"))) >= (
                4.5 if "c" not in name else 3.0
            )
    page.run("document.querySelector('[data-theme-choice=light]').click()")
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(251, 251, 249)"
    assert page.complaints == []


def contrast(first, second):
    """WCAG 2's ratio of two colours, #rrggbb."""

    def luminance(colour):
        parts = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    low, high = sorted(map(luminance, (first, second)))
    return (high + 0.05) / (low + 0.05)


@needs_browser
def test_in_a_browser_a_watched_run_is_followed(page, served):
    run, served_page = served
    page.complaints.clear()
    page.open(f"http://127.0.0.1:{served_page.port}/")
    page.until("document.querySelector('.live')?.innerText.startsWith('live, ')")
    before = page.run("report.runs[0].done")
    with Metrics(run / "metrics.sqlite") as metrics:
        metrics.write([(900_000, {"return": -20.0, "env_steps_per_second": 5e4})])
    page.until("report.runs[0].done === 900000")
    assert before == 500_000 and "900k of 1M" in page.run("document.getElementById('runs').textContent")
    assert all("127.0.0.1" in one for one in page.complaints), page.complaints
