// Tables, remarks and the details of every run.

function head(names) {
  return make("thead", {}, make("tr", {}, ...names.map(([name, note]) => make("th", { scope: "col" }, name, note ? make("small", {}, note) : null))));
}

function who(group) {
  return make("span", { class: "who" }, swatch(group.colour), group.named ?? group.label);
}

// Return a table of each agent's returns and wins in a constant-sum game.
function sideTable(task, groups) {
  const names = [["agent"], ["return, IQM", "95 % interval"], ["return, mean", "95 % interval"], ["wins", "share of episodes"], ["wins", "other agents at random"], ["return at random"], ["seeds"], ["steps"]];
  const rows = groups.flatMap((group) => sidesOf(group).map((side) => {
    const cells = [who(side), estimate(side.return.iqm), estimate(side.return.mean), estimate(side.wins), estimate(side.against_random), number(side.random), group.counted.length, short(group.steps)];
    return make("tr", {}, ...cells.map((cell) => make("td", {}, ...[cell].flat())));
  }));
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Agents on ${taskName(task)}` },
    make("table", { class: "numbers" }, head(names), make("tbody", {}, ...rows)));
}

function resultTable(task, groups) {
  if (task.constant_sum) return sideTable(task, groups);
  const absolute = groups.some((group) => group.absolute.iqm);
  const names = [["algorithm"], ["return, IQM", "95 % interval"], ["mean", "95 % interval"]];
  const gap = groups.some((group) => group.gap);
  if (absolute) names.push(["absolute metric", "IQM, best policy"]);
  if (gap) names.push(["optimality gap", "0 optimum, 1 random"]);
  names.push(["seeds"], ["steps"], ["steps/s", "training"], ["training", "per run"]);
  const rows = groups.map((group) => {
    const cells = [who(group), estimate(group.final.iqm), estimate(group.final.mean)];
    if (absolute) cells.push(estimate(group.absolute.iqm));
    if (gap) cells.push(estimate(group.gap));
    cells.push(group.counted.length, short(group.steps), group.rate === null ? "–" : short(group.rate), duration(group.seconds));
    return make("tr", {}, ...cells.map((cell) => make("td", {}, ...[cell].flat())));
  });
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Scores on ${taskName(task)}` },
    make("table", { class: "numbers" }, head(names), make("tbody", {}, ...rows)));
}

// Return a table of the probabilities that a run of one algorithm scores above a run of another. A tie counts as one half.
function improvements(report, pairs, hidden, where) {
  const shown = pairs.filter((pair) => !hidden.has(pair.first) && !hidden.has(pair.second));
  if (!shown.length) return null;
  const named = (label) => who({ colour: report.algorithms.indexOf(label), label });
  const rows = shown.map((pair) => make("tr", {},
    ...[named(pair.first), named(pair.second), estimate(pair.probability)].map((cell) => make("td", {}, ...[cell].flat()))));
  const names = [["a run of"], ["scores above a run of"], ["probability", "95 % interval"]];
  return make("details", { class: "improvement" }, make("summary", {}, "Probability of improvement"),
    make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Probability of improvement ${where}` },
      make("table", { class: "numbers" }, head(names), make("tbody", {}, ...rows))));
}

function profiles(report, hidden) {
  const groups = report.overall.rows.map((row) =>
    ({ label: row.algorithm, colour: report.algorithms.indexOf(row.algorithm), curves: { score: row.profile }, each: [] }));
  return new Chart({ random: null, axis: `score: ${report.overall.ends}` }, groups, { over: "score", hidden, seeds: false }, "Performance profiles");
}

function overall(section, report, hidden) {
  section.hidden = !report.overall;
  if (!report.overall) return null;
  const known = report.overall.rows.some((row) => row.optimality_gap);
  const names = [["algorithm"], ["IQM", "95 % interval"], ["mean", "95 % interval"], ["median", "95 % interval"], ...(known ? [["optimality gap", "lower is better"]] : [])];
  const rows = report.overall.rows.filter((row) => !hidden.has(row.algorithm)).map((row) => make("tr", {},
    make("td", {}, who({ colour: report.algorithms.indexOf(row.algorithm), label: row.algorithm })),
    ...["iqm", "mean", "median", ...(known ? ["optimality_gap"] : [])].map((name) => make("td", {}, ...estimate(row[name])))));
  const chart = profiles(report, hidden);
  section.replaceChildren(
    make("h2", { id: "overall-title" }, "All environments together"),
    make("p", { class: "verdict" }, `${report.overall.verdict} Scores: ${report.overall.how}.`),
    make("div", { class: "card" }, make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Scores over all environments" },
      make("table", { class: "numbers" }, head(names), make("tbody", {}, ...rows))), improvements(report, report.overall.improvement, hidden, "over all environments")),
    make("div", { class: "card", style: "margin-top:1rem" }, make("h3", {}, "Performance profiles"),
      make("p", { class: "card-note" }, "For each score, the share of runs with a higher score, with its 95 % interval. All environments have equal weight."), chart.frame));
  return chart;
}

const capital = (text) => text && text[0].toUpperCase() + text.slice(1);

function remarks(section, report) {
  section.hidden = !report.remarks.length;
  const items = report.remarks.map(({ run, text }) => make("li", {}, run ? make("strong", {}, `${run}: `) : null, text));
  section.replaceChildren(make("div", { class: "remark-box" },
    make("h2", { id: "remarks-title" }, `Remarks on the data (${report.remarks.length})`),
    items.length > 6 ? make("details", {}, make("summary", {}, "Show all remarks"), make("ul", {}, ...items)) : make("ul", {}, ...items)));
}

function facts(title, entries) {
  const known = Object.entries(entries);
  if (!known.length) return null;
  return make("div", {}, make("h3", {}, title),
    make("dl", { class: "facts" }, ...known.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)))));
}

function timeBar(phases) {
  const parts = Object.entries(phases).filter(([, seconds]) => seconds > 0), total = parts.reduce((sum, [, seconds]) => sum + seconds, 0);
  if (!total) return make("span", { class: "muted" }, "–");
  const said = parts.map(([name, seconds]) => `${name} ${duration(seconds)}`).join(", ");
  return make("span", { class: "time", role: "img", "aria-label": said, title: said }, ...parts.map(([, seconds], index) => {
    const part = make("span");
    part.style.width = `${(100 * seconds) / total}%`;
    part.style.background = colour(index);
    return part;
  }));
}

function timeKey(runs) {
  const names = [...new Set(runs.flatMap((run) => Object.keys(run.phases)))];
  const total = (name) => runs.reduce((sum, run) => sum + (run.phases[name] || 0), 0);
  return make("ul", { class: "key" }, ...names.map((name) => {
    const dot = make("i"), place = Math.max(...runs.map((run) => Object.keys(run.phases).indexOf(name)));
    dot.style.background = colour(place);
    return make("li", {}, dot, `${name} ${duration(total(name))}`);
  }));
}

function command(text) {
  const button = make("button", { type: "button", "aria-label": `Copy: ${text}`, on: { click: async () => {
    await navigator.clipboard?.writeText(text).catch(() => {});
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  } } }, "Copy");
  return make("div", { class: "command" }, make("code", { tabindex: 0 }, text), button);
}

function runTable(runs) {
  const names = [["run"], ["seed"], ["state"], ["steps"], ["last evaluation"], ["steps/s"], ["time"]];
  const rows = runs.map((run) => {
    const judged = run.points.filter((point) => point.mode !== "random" && point.metric !== "absolute").at(-1);
    const last = judged ? `${number(judged.mean)} ± ${number(judged.standard_error, Math.abs(judged.mean))}` : "–";
    const steps = run.asked && run.done < run.asked ? `${short(run.done)} of ${short(run.asked)}` : short(run.done);
    const spoiled = judged ? ["failed", "cut"].filter((name) => judged[name]).map((name) => `, ${judged[name]} ${name === "cut" ? "truncated" : name}`).join("") : "";
    const note = judged ? make("small", {}, `${judged.episodes} episodes, ${judged.mode}${spoiled}`) : null;
    return make("tr", {}, make("td", {}, run.path), make("td", {}, run.seed ?? "–"),
      make("td", {}, make("span", { class: run.state === "done" ? "state" : "state open" }, run.state)),
      make("td", {}, steps), make("td", {}, last, note), make("td", {}, run.rate === null ? "–" : short(run.rate)), make("td", {}, timeBar(run.phases)));
  });
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Runs" },
    make("table", { class: "numbers" }, head(names), make("tbody", {}, ...rows)));
}

// Return the settings of a group's runs: one value if all runs agree, otherwise all values that occur.
function shared(runs, part) {
  const found = {};
  for (const run of runs) for (const [name, value] of Object.entries(part(run))) (found[name] ??= new Set()).add(value);
  return Object.fromEntries(Object.entries(found).map(([name, values]) => [name, [...values].join(" · ")]));
}

function runDetails(title, swatched, runs, open) {
  const unfinished = runs.filter((run) => run.state !== "done").length;
  const remarked = [...new Set(runs.flatMap((run) => run.remarks.map((text) => `${run.path}: ${text}`)))];
  const commands = runs.filter((run) => run.command).map((run) => command(run.command));
  return make("details", { class: "group", open, "data-title": title },
    make("summary", {}, swatched ?? make("span"), make("span", {}, title),
      unfinished ? make("span", { class: "state open" }, `${unfinished} unfinished`) : make("span"), make("span", { class: "state" }, plural(runs.length, "run"))),
    make("div", { class: "inside" }, runTable(runs), timeKey(runs),
      remarked.length ? make("ul", {}, ...remarked.map((text) => make("li", {}, text))) : null,
      commands.length ? make("h3", {}, commands.length > 1 ? "Commands to train these runs again" : "Command to train this run again") : null, ...commands,
      facts("Latest value of every other metric", shared(runs, (run) => run.latest)),
      facts("Algorithm", shared(runs, (run) => run.settings.algorithm)), facts("Environment", shared(runs, (run) => run.settings.environment)),
      facts("Run", shared(runs, (run) => run.settings.run)), facts("Versions", shared(runs, (run) => run.versions)),
      facts("Hardware", shared(runs, (run) => run.hardware))));
}

function runSection(section, report) {
  const open = new Set([...section.querySelectorAll("details[open]")].map((one) => one.dataset.title));
  const inGroups = new Set(report.groups.flatMap((group) => group.runs)), found = report.groups.map((group) => {
    const title = `${group.label} on ${taskName(report.tasks[group.task])}`;
    return runDetails(title, swatch(group.colour), group.runs.map((index) => report.runs[index]), open.has(title));
  });
  const others = report.runs.filter((_, index) => !inGroups.has(index));
  if (others.length) found.push(runDetails("Unknown environment", null, others, open.has("Unknown environment")));
  section.replaceChildren(make("h2", { id: "runs-title" }, "The runs"),
    make("p", { class: "verdict" }, "For each run: configuration, versions, hardware, time by phase, and the command that trains it again."), ...found);
}
