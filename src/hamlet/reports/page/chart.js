// A chart of one environment, or of all: a line with an interval for every algorithm. Pointer, touch or arrow keys show the values.

const MARGIN = { top: 14, right: 16, bottom: 40, left: 58 };

function ticks(low, high, count) {
  const rough = (high - low) / Math.max(count, 1) || 1, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough * 0.999);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-9; at += step) found.push(Math.abs(at) < step / 1e6 ? 0 : at);
  return found;
}

const SIXTY = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

function timeTicks(high, count) {
  const step = SIXTY.find((one) => one >= high / count) || 86400 * Math.ceil(high / count / 86400);
  return Array.from({ length: Math.floor(high / step + 1e-9) + 1 }, (_, index) => index * step);
}

// The horizontal axes: the title, the format of the tick labels, and the format of a value in the tooltip.
const AXES = {
  steps: { title: "environment steps, summed over environment copies", mark: short, told: (value) => `${Math.round(value).toLocaleString("en")} steps` },
  seconds: { title: "training time, without evaluation", mark: duration, told: duration },
  score: { title: "score", mark: short, told: (value) => `above ${value.toFixed(2)}` },
};

function stretch(values, pad) {
  const known = values.filter((one) => one !== null && Number.isFinite(one));
  if (!known.length) return null;
  const low = Math.min(...known), high = Math.max(...known), room = (high - low || Math.abs(high) || 1) * pad;
  return [low - room, high + room];
}

// Return an SVG path that is interrupted where a value is missing.
function path(xs, ys, x, y) {
  let text = "", open = false;
  xs.forEach((at, index) => {
    if (ys[index] === null || at === null) { open = false; return; }
    text += `${open ? "L" : "M"}${x(at).toFixed(1)} ${y(ys[index]).toFixed(1)}`;
    open = true;
  });
  return text;
}

function area(curve, x, y) {
  const rows = curve.x.map((at, index) => [at, curve.low[index], curve.high[index]]).filter(([, low, high]) => low !== null && high !== null);
  if (rows.length < 2) return "";
  const there = rows.map(([at, , high]) => `${x(at).toFixed(1)} ${y(high).toFixed(1)}`);
  const back = rows.reverse().map(([at, low]) => `${x(at).toFixed(1)} ${y(low).toFixed(1)}`);
  return `M${there.join("L")}L${back.join("L")}Z`;
}

function nearest(xs, at) {
  let best = 0;
  xs.forEach((one, index) => { if (Math.abs(one - at) < Math.abs(xs[best] - at)) best = index; });
  return best;
}

// Return label positions in the order of their curves, at least one line of text apart.
function spread(places, apart, low, high) {
  const order = places.map((_, index) => index).sort((a, b) => places[a] - places[b]), found = [...places];
  order.forEach((index, rank) => { if (rank) found[index] = Math.max(found[index], found[order[rank - 1]] + apart); });
  const over = found[order.at(-1)] - high;
  if (over > 0) order.reverse().forEach((index, rank) => {
    found[index] = rank ? Math.min(found[index], found[order[rank - 1]] - apart) : high;
  });
  return found.map((one) => Math.max(low, one));
}

class Chart {
  constructor(task, groups, view, what = `Returns on ${taskName(task)}`, lowest = 230) {
    this.task = task; this.groups = groups; this.view = view; this.lowest = lowest;
    this.tip = make("div", { class: "tip", role: "status", hidden: true });
    this.frame = make("div", {
      class: "chart", tabindex: 0, role: "group",
      "aria-label": `${what}. Use the arrow keys to read the values.`,
      on: {
        pointermove: (event) => this.point(event), pointerdown: (event) => this.point(event),
        pointerleave: () => this.leave(), blur: () => this.leave(), keydown: (event) => this.key(event),
      },
    });
    this.at = null;
  }

  get shown() {
    return this.groups.filter((group) => !this.view.hidden.has(group.label) && group.curves[this.view.over]);
  }

  draw() {
    const width = Math.max(this.frame.clientWidth, 240), height = Math.round(Math.min(340, Math.max(this.lowest, width * 0.52)));
    const over = this.view.over, shown = this.shown, labelled = width >= 520 && shown.length > 1;
    const longest = Math.max(0, ...shown.map((group) => (group.named ?? group.label).length));
    const right = labelled ? Math.min(150, 14 + 7.2 * longest) : MARGIN.right;
    if (!shown.length) {
      this.frame.replaceChildren(make("p", { class: "empty" }, "No data: none of the displayed runs has measured this quantity over this axis."), this.tip);
      return;
    }
    const seeds = this.view.seeds ? shown.flatMap((group) => group.each) : [];
    const ends = shown.map((group) => Math.max(group.curves[over].x.at(-1), over === "steps" ? group.steps : 0));
    const xHigh = Math.max(...ends, ...seeds.map((one) => one[over].at(-1) ?? 0));
    const values = shown.flatMap(({ curves }) => [...curves[over].y, ...curves[over].low, ...curves[over].high]);
    const drawn = [...values, ...seeds.flatMap((one) => one.y)], own = stretch(drawn, 0.05);
    // A level far from the curves is left out, because it would compress the curves that the chart compares.
    this.levels = [["random play", this.task.random], ["optimum", this.task.optimum]].filter(([, at]) => at !== null && at !== undefined)
      .filter(([, at]) => { const wide = stretch([...drawn, at], 0.05); return wide[1] - wide[0] < 1.8 * (own[1] - own[0]); });
    const [low, high] = stretch([...drawn, ...this.levels.map(([, at]) => at)], 0.05);
    const x = (at) => MARGIN.left + (at / (xHigh || 1)) * (width - MARGIN.left - right);
    const y = (at) => MARGIN.top + ((high - at) / (high - low)) * (height - MARGIN.top - MARGIN.bottom);
    Object.assign(this, { x, y, xHigh, width, height, right });
    const svg = make("svg:svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    this.axes(svg, low, high);
    for (const group of shown) svg.append(...this.lines(group));
    if (labelled) svg.append(...this.names(shown));
    this.marks = make("svg:g");
    svg.append(this.marks);
    this.frame.replaceChildren(svg, this.tip);
    if (this.at !== null) this.read(this.at);
  }

  axes(svg, low, high) {
    const { x, y, width, height, right } = this, over = this.view.over, along = AXES[over];
    for (const at of ticks(low, high, Math.max(4, height / 55))) {
      svg.append(make("svg:line", { class: "grid", x1: MARGIN.left, x2: width - right, y1: y(at), y2: y(at) }));
      svg.append(make("svg:text", { x: MARGIN.left - 8, y: y(at) + 4, "text-anchor": "end" }, short(at)));
    }
    const count = Math.max(2, (width - MARGIN.left - right) / 95);
    for (const at of over === "seconds" ? timeTicks(this.xHigh, count) : ticks(0, this.xHigh, count))
      svg.append(make("svg:text", { x: x(at), y: height - MARGIN.bottom + 18, "text-anchor": "middle" }, along.mark(at)));
    svg.append(make("svg:line", { class: "axis", x1: MARGIN.left, x2: width - right, y1: height - MARGIN.bottom, y2: height - MARGIN.bottom }));
    svg.append(make("svg:text", { x: (MARGIN.left + width - right) / 2, y: height - 4, "text-anchor": "middle" }, this.task.axis ?? along.title));
    for (const [name, level] of this.levels) {
      const at = y(level);
      svg.append(make("svg:line", { class: "level", x1: MARGIN.left, x2: width - right, y1: at, y2: at }));
      svg.append(make("svg:text", { x: width - right - 4, y: at - 5, "text-anchor": "end" }, name));
    }
  }

  lines(group) {
    const { x, y } = this, curve = group.curves[this.view.over], found = [];
    const styled = (tag, attributes, property) => {
      const element = make(tag, attributes);
      element.style[property] = colour(group.colour);
      return element;
    };
    found.push(styled("svg:path", { class: "band", d: area(curve, x, y) }, "fill"));
    if (this.view.seeds)
      for (const one of group.each) found.push(styled("svg:path", { class: "seed", d: path(one[this.view.over], one.y, x, y) }, "stroke"));
    found.push(styled("svg:path", { class: "line", "stroke-dasharray": dash(group.colour), d: path(curve.x, curve.y, x, y), "data-algorithm": group.label }, "stroke"));
    if (curve.x.length === 1) found.push(styled("svg:circle", { r: 4, cx: x(curve.x[0]), cy: y(curve.y[0]) }, "fill"));
    return found;
  }

  names(shown) {
    const ends = shown.map(({ curves }) => this.y(curves[this.view.over].y.at(-1)));
    const places = spread(ends, 15, MARGIN.top, this.height - MARGIN.bottom);
    return shown.map((group, index) => {
      const text = make("svg:text", { class: "name", x: this.width - this.right + 8, y: places[index] + 4 }, group.named ?? group.label);
      text.style.fill = colour(group.colour);
      return text;
    });
  }

  point(event) {
    if (!this.x || !this.shown.length) return;
    const box = this.frame.getBoundingClientRect(), share = (event.clientX - box.left) * (this.width / box.width);
    const inner = (share - MARGIN.left) / (this.width - MARGIN.left - this.right);
    this.read(Math.min(1, Math.max(0, inner)) * this.xHigh);
  }

  key(event) {
    const moves = { ArrowLeft: -1, ArrowRight: 1 };
    if (event.key === "Escape") return this.leave();
    if (!(event.key in moves) && !["Home", "End"].includes(event.key)) return;
    if (!this.shown.length) return;
    event.preventDefault();
    const xs = this.shown[0].curves[this.view.over].x;
    const now = this.at === null ? (event.key === "ArrowLeft" ? xs.length : -1) : nearest(xs, this.at);
    const next = event.key === "Home" ? 0 : event.key === "End" ? xs.length - 1 : now + moves[event.key];
    this.read(xs[Math.min(xs.length - 1, Math.max(0, next))]);
  }

  read(at) {
    this.at = at;
    const over = this.view.over;
    const found = this.shown.map((group) => {
      const curve = group.curves[over], index = nearest(curve.x, at);
      return { group, at: curve.x[index], y: curve.y[index], low: curve.low[index], high: curve.high[index] };
    }).filter((one) => one.y !== null).sort((a, b) => b.y - a.y);
    if (!found.length) return;
    const place = found.reduce((best, one) => (Math.abs(one.at - at) < Math.abs(best.at - at) ? one : best)).at;
    const scale = Math.max(...found.map((one) => Math.abs(one.y)));
    const rows = found.map(({ group, y, low, high }) => make("tr", {},
      make("td", {}, make("span", { class: "who" }, swatch(group.colour), group.named ?? group.label)), make("td", {}, number(y, scale)),
      make("td", { class: "muted" }, low === null ? "" : `[${number(low, scale)}, ${number(high, scale)}]`),
      make("td", { class: "muted" }, group.counted ? plural(group.counted.length, "seed") : "")));
    this.tip.replaceChildren(make("strong", {}, AXES[over].told(place)), make("table", {}, make("tbody", {}, ...rows)));
    this.tip.hidden = false;
    this.mark(place, found);
  }

  mark(place, found) {
    const across = this.x(place);
    this.marks.replaceChildren(make("svg:line", { class: "cross", x1: across, x2: across, y1: MARGIN.top, y2: this.height - MARGIN.bottom }));
    for (const { group, at, y } of found) {
      const dot = make("svg:circle", { class: "dot", r: 4.5, cx: this.x(at), cy: this.y(y) });
      dot.style.fill = colour(group.colour);
      this.marks.append(dot);
    }
    const share = this.frame.clientWidth / this.width, room = this.frame.clientWidth - this.tip.offsetWidth;
    const left = across * share + 14;
    this.tip.style.left = `${Math.max(0, left > room ? across * share - this.tip.offsetWidth - 14 : left)}px`;
    this.tip.style.top = `${MARGIN.top}px`;
  }

  leave() {
    this.at = null;
    this.tip.hidden = true;
    this.marks?.replaceChildren();
  }
}
