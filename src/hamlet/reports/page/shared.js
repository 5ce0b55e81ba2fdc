"use strict";
// Helpers for all parts of the page: creating elements, formatting numbers, colours.

const COLOURS = 8;
const SVG = "http://www.w3.org/2000/svg";

function make(tag, attributes = {}, ...children) {
  const element = tag.startsWith("svg:") ? document.createElementNS(SVG, tag.slice(4)) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const colour = (index) => `var(--c${index % COLOURS})`;
// There are eight distinguishable colours. Further lines differ by their dash pattern.
const dash = (index) => ["none", "7 4", "2 3", "9 3 2 3"][Math.floor(index / COLOURS) % 4];

function swatch(index) {
  const line = make("svg:line", { x1: 0, y1: 5, x2: 18, y2: 5, "stroke-width": 3, "stroke-dasharray": dash(index) });
  line.style.stroke = colour(index);
  return make("svg:svg", { width: 18, height: 10, "aria-hidden": "true" }, line);
}

function decimals(scale) {
  return scale >= 100 || scale === 0 ? 0 : scale >= 10 ? 1 : scale >= 1 ? 2 : 3;
}

// Format a number: its scale sets the number of decimals, and the minus sign is the Unicode minus sign.
function number(value, scale = Math.abs(value)) {
  if (value === null || value === undefined) return "–";
  return value.toLocaleString("en", { minimumFractionDigits: decimals(scale), maximumFractionDigits: decimals(scale) }).replace("-", "−");
}

function short(value) {
  for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]])
    if (Math.abs(value) >= size) return `${+(value / size).toPrecision(3)}${unit}`.replace("-", "−");
  return `${+value.toPrecision(3)}`.replace("-", "−");
}

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 60) return `${seconds < 10 ? +seconds.toPrecision(2) : Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

const scaleOf = (triple) => Math.max(...triple.filter((one) => one !== null).map(Math.abs));

function estimate(triple) {
  if (!triple) return [document.createTextNode("–")];
  const [value, low, high] = triple, scale = scaleOf(triple);
  const interval = low === null ? "one run" : `[${number(low, scale)}, ${number(high, scale)}]`;
  return [document.createTextNode(number(value, scale)), make("small", {}, interval)];
}

const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

function listed(names) {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

function taskName(task) {
  const told = task.options.map(([name, value]) => `${name} ${value}`).join(", ");
  return told ? `${task.name} (${told})` : task.name;
}

// Return a group of a constant-sum game as one curve for each agent.
function sidesOf(group) {
  return group.sides.map((side, index) =>
    ({ ...group, ...side, label: group.label, named: `${group.label}: ${side.agent}`, colour: group.colour * group.sides.length + index }));
}
