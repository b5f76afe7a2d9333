// One series as a small SVG line chart, redrawn as points arrive.

import { h, number, svg } from "/dashboard/dom.js";

const WIDTH = 480;
const HEIGHT = 190;
const LEFT = 54;
const RIGHT = 10;
const TOP = 10;
const BOTTOM = 24;
const MAX_POINTS = 600;

export class Plot {
  constructor(title) {
    this.points = new Map();
    this.value = h("span", { class: "mono" });
    this.description = svg("title", {}, title);
    this.drawing = svg("g");
    this.title = title;
    const attributes = { class: "plot", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" };
    const image = svg("svg", attributes, this.description, this.drawing);
    const caption = h("figcaption", {}, title, this.value);
    this.element = h("figure", { class: "card", hidden: true }, caption, image);
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
    const [firstStep, firstValue] = points[0];
    const [lastStep, lastValue] = points.at(-1);

    const ticks = niceTicks(Math.min(...values), Math.max(...values));
    const low = ticks[0];
    const high = ticks.at(-1);
    const width = WIDTH - LEFT - RIGHT;
    const height = HEIGHT - TOP - BOTTOM;
    const x = (step) => LEFT + (width * (step - firstStep)) / (lastStep - firstStep || 1);
    const y = (value) => HEIGHT - BOTTOM - (height * (value - low)) / (high - low);

    const corners = points.map(([step, value]) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`);
    this.drawing.replaceChildren(
      ...ticks.flatMap((tick) => [
        svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(tick), y2: y(tick) }),
        svg("text", { x: LEFT - 8, y: y(tick) + 4, "text-anchor": "end" }, number(tick)),
      ]),
      svg("text", { x: LEFT, y: HEIGHT - 6 }, `update ${firstStep}`),
      svg("text", { x: WIDTH - RIGHT, y: HEIGHT - 6, "text-anchor": "end" }, String(lastStep)),
      svg("polyline", { class: "series", points: corners.join(" ") }),
      svg("circle", { class: "last", r: 3.5, cx: x(lastStep), cy: y(lastValue) }),
    );

    this.value.textContent = number(lastValue);
    const begin = `${number(firstValue)} at update ${firstStep}`;
    const end = `${number(lastValue)} at update ${lastStep}`;
    const lowest = number(Math.min(...values));
    this.description.textContent = `${this.title}: ${begin}, ${end}, lowest ${lowest}`;
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
  const raw = span / 3;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw);

  const first = Math.floor(low / step);
  const count = Math.max(1, Math.ceil(high / step) - first);
  const ticks = Array.from({ length: count + 1 }, (_, index) => (first + index) * step);
  return ticks.map((tick) => Number(tick.toPrecision(12)));
}
