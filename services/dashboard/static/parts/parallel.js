// Parallel coordinates: a line a trial, an axis a field of the space, the objective last. A trial
// under the pointer, or chosen by keyboard in the list, stands out and tells its values.

import { h, replace, svg } from "../lib/dom.js";
import { number, plain } from "../lib/format.js";
import { shade } from "./colors.js";

const WIDTH = 960;
const HEIGHT = 300;
const TOP = 34;
const BOTTOM = 22;
const SIDE = 70;

export class Parallel {
  constructor({ onFocus } = {}) {
    this.onFocus = onFocus;
    this.lines = new Map();
    this.told = h("p", { class: "told", role: "status" }, "Point at a line to see its trial.");
    this.drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", class: "parallel" });
    this.element = h("figure", { class: "card" },
      h("figcaption", {}, "Parallel coordinates"),
      h("div", { class: "wide-svg", tabindex: "0", role: "region", "aria-label": "Parallel coordinates" }, this.drawing),
      this.told);
  }

  // axes: [{ name, values: of each trial, isLog }]; trials: [{ number, label }], in that order.
  show(axes, trials) {
    const place = (index) => SIDE + ((WIDTH - 2 * SIDE) * index) / Math.max(1, axes.length - 1);
    const scales = axes.map((axis) => makeScale(axis));
    const objective = scales.at(-1);
    this.lines.clear();
    const lines = trials.map((trial, row) => {
      const known = axes.map((axis, index) => [place(index), scales[index].y(axis.values[row])]);
      const corners = known.filter(([, y]) => y != null).map((corner) => corner.map((x) => x.toFixed(1)).join(","));
      const y = objective.y(axes.at(-1).values[row]);
      const share = y == null ? 1 : 1 - (y - TOP) / (HEIGHT - TOP - BOTTOM);
      const line = svg("polyline", { points: corners.join(" "), class: "trial", stroke: shade(share) });
      line.addEventListener("pointerenter", () => this.highlight(trial.number));
      line.addEventListener("pointerleave", () => this.highlight(null));
      this.lines.set(trial.number, { line, values: axes.map((axis) => `${axis.name} ${plain(axis.values[row])}`) });
      return line;
    });
    const frames = axes.map((axis, index) => makeAxis(axis, scales[index], place(index)));
    const title = svg("title", {}, `${trials.length} trials over ${axes.map(({ name }) => name).join(", ")}`);
    replace(this.drawing, title, lines, frames);
  }

  highlight(trial) {
    this.drawing.classList.toggle("choosing", trial != null && this.lines.has(trial));
    for (const [name, { line }] of this.lines) line.classList.toggle("chosen", name === trial);
    const entry = this.lines.get(trial);
    if (entry) this.told.textContent = `Trial ${trial}: ${entry.values.join(" · ")}`;
    this.onFocus?.(trial);
  }
}

// Numbers along the axis, other values at even places.
function makeScale({ values, isLog }) {
  const known = values.filter((value) => value != null);
  const isNumeric = known.every((value) => typeof value === "number");
  const span = HEIGHT - TOP - BOTTOM;
  if (!isNumeric) {
    const names = [...new Set(known.map(plain))];
    const at = (index) => HEIGHT - BOTTOM - (span * (index + 0.5)) / names.length;
    return { ticks: names.map((name, index) => [name, at(index)]), y: (value) => (value == null ? null : at(names.indexOf(plain(value)))) };
  }
  const bend = isLog && known.every((value) => value > 0) ? Math.log : (value) => value;
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const share = (value) => (bend(value) - bend(low)) / (bend(high) - bend(low) || 1);
  const y = (value) => (value == null || !Number.isFinite(value) ? null : HEIGHT - BOTTOM - span * share(value));
  return { ticks: known.length ? [...new Set([low, high])].map((value) => [number(value), y(value)]) : [], y };
}

function makeAxis({ name }, { ticks }, x) {
  return svg("g", { class: "axis" },
    svg("line", { x1: x, x2: x, y1: TOP, y2: HEIGHT - BOTTOM }),
    svg("text", { x, y: 16, "text-anchor": "middle" }, name.length > 26 ? `…${name.slice(-25)}` : name),
    ticks.map(([text, y]) => svg("text", { x: x + 6, y: y + 4, class: "tick" }, text.slice(0, 16))));
}
