// Builds the page from the report document, stores the reader's display options, and updates the page of a live run.

const view = { over: "steps", hidden: new Set(), hiddenTasks: new Set(), seeds: false };
let report = JSON.parse(document.getElementById("document").textContent);
let charts = [];

function prepare(found) {
  for (const group of found.groups) group.label = group.algorithm;
  return found;
}

function toggle(set, value) {
  if (!set.delete(value)) set.add(value);
}

function chip(text, pressed, act, mark = null) {
  return make("button", { type: "button", class: "chip", "aria-pressed": String(pressed), "data-key": text, on: { click: () => { act(); render(); } } }, mark, text);
}

function choice(label, options, current, act) {
  return make("div", { class: "choice", role: "group", "aria-label": label }, ...options.map(([value, text]) =>
    make("button", { type: "button", "aria-pressed": String(value === current), "data-key": `${label} ${value}`, on: { click: () => { act(value); render(); } } }, text)));
}

function toolbar() {
  const bar = document.getElementById("toolbar"), focused = document.activeElement?.dataset?.key;
  const live = bar.querySelector(".live");
  const algorithms = report.algorithms.map((name, index) =>
    chip(name, !view.hidden.has(name), () => toggle(view.hidden, name), swatch(index)));
  const tasks = report.tasks.length < 2 ? [] : report.tasks.map((task, index) =>
    chip(taskName(task), !view.hiddenTasks.has(index), () => toggle(view.hiddenTasks, index)));
  bar.replaceChildren(
    ...(algorithms.length ? [make("div", { class: "chips", role: "group", "aria-label": "Algorithms" }, ...algorithms)] : []),
    choice("Over", [["steps", "Steps"], ["seconds", "Time"]], view.over, (value) => { view.over = value; }),
    chip("Each seed", view.seeds, () => { view.seeds = !view.seeds; }), ...(live ? [live] : []));
  const environments = document.getElementById("environments");
  environments.hidden = !tasks.length;
  environments.replaceChildren(make("div", { class: "chips" }, ...tasks));
  bar.querySelectorAll(".chip[data-key]").forEach((one) => { if (one.dataset.key === "Each seed") one.style.textDecoration = "none"; });
  if (focused) [...document.querySelectorAll("nav [data-key]")].find((one) => one.dataset.key === focused)?.focus();
}

function headline() {
  const names = listed(report.algorithms), on = report.tasks.length === 1 ? taskName(report.tasks[0]) : `${report.tasks.length} environments`;
  const runs = plural(report.runs.length, "run");
  document.getElementById("title").textContent = report.groups.length ? `${names} on ${on}` : runs;
  const open = report.runs.filter((run) => run.state === "training").length;
  document.getElementById("about").textContent =
    `${runs}${open ? `, ${open} still training` : ""}. Created ${report.made} by hamlet ${report.hamlet}.`;
}

function taskSection(task, index) {
  const groups = report.groups.filter((group) => group.task === index), shown = groups.filter((group) => !view.hidden.has(group.label));
  const curves = task.constant_sum ? groups.flatMap(sidesOf) : groups;
  const chart = new Chart(task, curves, view), player = playerOf(index);
  const drawn = make("div", { class: "card" }, make("h3", {}, view.over === "steps" ? "Return by steps" : "Return by training time"),
    make("p", { class: "card-note" }, `Interquartile mean (IQM) over seeds with its 95 % interval. Data: ${task.constant_sum ? "returns of each agent in evaluations" : task.curve}.`), chart.frame);
  const name = `task-${index}`;
  const section = make("section", { "aria-labelledby": name },
    make("div", { class: "task-head" }, make("h2", { id: name }, task.name),
      task.options.length ? make("span", { class: "options" }, task.options.map(([key, value]) => `${key} ${value}`).join(", ")) : null),
    make("p", { class: "verdict" }, task.verdict),
    make("div", { class: player ? "pair moving" : "pair" }, drawn, player),
    learning(task, groups),
    make("div", { class: "card", style: "margin-top:1rem" }, make("h3", {}, "Scores"),
      make("p", { class: "card-note" }, scoreNote(task)), resultTable(task, shown),
      improvements(report, task.improvement, view.hidden, `on ${taskName(task)}`)));
  charts.push(chart);
  return section;
}

// Return small charts of losses, entropy and divergence, one for each diagnostic that a run has measured; null without any.
function learning(task, groups) {
  const measured = (report.diagnostics ?? []).filter(({ key }) => groups.some((group) => group.learning?.[key]));
  if (!measured.length) return null;
  const cards = measured.map(({ key, title, unit }) => {
    const own = groups.filter((group) => group.learning?.[key]).map((group) => ({ ...group, curves: group.learning[key], each: [] }));
    const chart = new Chart({ ...task, random: null, optimum: null }, own, view, `${title} on ${taskName(task)}`, 170);
    charts.push(chart);
    return make("div", {}, make("h4", {}, title, unit ? make("small", {}, `, ${unit}`) : null), chart.frame);
  });
  return make("div", { class: "card", style: "margin-top:1rem" }, make("h3", {}, "Losses and policies"),
    make("p", { class: "card-note" }, "Means over agents, measured during training. Lines are interquartile means over seeds with 95 % intervals."), make("div", { class: "small" }, ...cards));
}

function scoreNote(task) {
  if (task.constant_sum) return "From the last evaluation: the return of each agent, and its wins, which are the share of episodes in which its return is higher than the return of every other agent.";
  const random = task.random === null ? "" : `; the mean return of random play is ${number(task.random)}`;
  return `From ${task.source}${random}${task.optimum === null ? "" : `; the optimum is ${number(task.optimum)}`}.`;
}

function how() {
  const moved = report.groups.some((group) => Object.values(group.curves).some((curve) => curve && curve.how.startsWith("interpolated")));
  const lines = [
    "A return is the return of the team: the sum of rewards over agents and steps of an episode. The interquartile mean (IQM) is the mean of the middle half of the runs. Intervals are 95 % percentile bootstrap intervals over runs, computed separately at each point of a curve (arXiv:2108.13264).",
    "Algorithms are compared only on the same environment with the same options. If intervals overlap, no order is given.",
    moved ? "Runs that were measured at different points are interpolated linearly. The curve covers the range that all runs have in common." : "",
  ];
  document.getElementById("how").replaceChildren(make("h2", {}, "How the numbers are computed"), ...lines.filter(Boolean).map((line) => make("p", {}, line)));
}

function render() {
  charts = [];
  headline();
  toolbar();
  remarks(document.getElementById("remarks"), report);
  const profile = overall(document.getElementById("overall"), report, view.hidden);
  if (profile) charts.push(profile);
  const sections = report.tasks.map((task, index) => (view.hiddenTasks.has(index) ? null : taskSection(task, index))).filter(Boolean);
  document.getElementById("tasks").replaceChildren(...sections);
  runSection(document.getElementById("runs"), report);
  how();
  charts.forEach((chart) => chart.draw());
}

function theme() {
  const buttons = document.querySelectorAll("[data-theme-choice]");
  const choose = (name) => {
    if (name === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    buttons.forEach((one) => one.setAttribute("aria-pressed", String(one.dataset.themeChoice === name)));
    redrawPlayers();
  };
  buttons.forEach((one) => one.addEventListener("click", () => choose(one.dataset.themeChoice)));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawPlayers);
}

function follow(address) {
  const sign = make("span", { class: "live", role: "status" }, "live");
  document.getElementById("toolbar").append(sign);
  let tag = null;
  const ask = async () => {
    try {
      const answer = await fetch(address, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
      if (answer.ok) {
        tag = answer.headers.get("ETag");
        report = prepare(await answer.json());
        players(report.motions);
        if (!charts.some((chart) => chart.at !== null)) render();
      }
      sign.classList.remove("lost");
      sign.textContent = `live, checked at ${new Date().toLocaleTimeString()}`;
    } catch {
      sign.classList.add("lost");
      sign.textContent = "connection to the report server lost";
    }
    setTimeout(ask, 2000);
  };
  setTimeout(ask, 500);
}

prepare(report);
players(report.motions);
theme();
render();
new ResizeObserver(() => charts.forEach((chart) => chart.draw())).observe(document.getElementById("tasks"));
if (report.live) follow(report.live);
