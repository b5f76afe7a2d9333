// One series as a small SVG line chart, redrawn as points arrive.

import { h, number, svg } from "/dashboard/dom.js";

const WIDTH = 480, HEIGHT = 190, LEFT = 54, RIGHT = 10, TOP = 10, BOTTOM = 24, MAX_POINTS = 600;

export class Plot {
  constructor(title) {
    this.points = new Map();
    this.value = h("span", { class: "mono" });
    this.description = svg("title", {}, title);
    this.drawing = svg("g");
    this.title = title;
    const image = svg("svg", { class: "plot", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" }, this.description, this.drawing);
    this.element = h("figure", { class: "card", hidden: true }, h("figcaption", {}, title, this.value), image);
  }

  add(step, value) {
    if (value == null || !Number.isFinite(value)) return;
    this.points.set(step, value);
    if (!this.scheduled) this.scheduled = requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.scheduled = null;
    const points = thin([...this.points].sort((a, b) => a[0] - b[0]));
    const values = points.map((point) => point[1]);
    const steps = [points[0][0], points.at(-1)[0]];
    const ticks = niceTicks(Math.min(...values), Math.max(...values));
    const [low, high] = [ticks[0], ticks.at(-1)];
    const x = (step) => LEFT + ((WIDTH - LEFT - RIGHT) * (step - steps[0])) / (steps[1] - steps[0] || 1);
    const y = (value) => HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * (value - low)) / (high - low);
    const last = points.at(-1);
    this.drawing.replaceChildren(
      ...ticks.flatMap((tick) => [
        svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(tick), y2: y(tick) }),
        svg("text", { x: LEFT - 8, y: y(tick) + 4, "text-anchor": "end" }, number(tick)),
      ]),
      svg("text", { x: LEFT, y: HEIGHT - 6 }, `update ${steps[0]}`),
      svg("text", { x: WIDTH - RIGHT, y: HEIGHT - 6, "text-anchor": "end" }, String(steps[1])),
      svg("polyline", { class: "series", points: points.map(([s, v]) => `${x(s).toFixed(1)},${y(v).toFixed(1)}`).join(" ") }),
      svg("circle", { class: "last", r: 3.5, cx: x(last[0]), cy: y(last[1]) }),
    );
    this.value.textContent = number(last[1]);
    this.description.textContent =
      `${this.title}: ${number(points[0][1])} at update ${steps[0]}, ${number(last[1])} at update ${steps[1]}, lowest ${number(Math.min(...values))}`;
    this.element.hidden = false;
  }
}

// Every n-th point, and always the last one.
function thin(points) {
  const stride = Math.ceil(points.length / MAX_POINTS);
  return points.filter((_, index) => index % stride === 0 || index === points.length - 1);
}

function niceTicks(low, high) {
  const span = high - low || Math.abs(high) || 1;
  const raw = span / 3, power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw);
  const first = Math.floor(low / step), count = Math.max(1, Math.ceil(high / step) - first);
  return Array.from({ length: count + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)));
}
