// A race: the curves of one task grow step by step, and beside them the order of the field changes.

import { h, replace } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { Chart } from "./chart.js";
import { seriesColor } from "./colors.js";

const SECONDS = 8;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Race {
  constructor({ title, series, isYLog, signal }) {
    this.series = series.map((entry, index) => ({ ...entry, color: entry.color ?? seriesColor(index) }));
    this.n = Math.max(...series.map(({ xs }) => xs.length));
    this.at = this.n - 1;
    this.signal = signal;
    this.chart = new Chart({ title: `Race on ${title}`, xLabel: "step", yLabel: "loss", isYLog, yLimits: findLimits(series), signal });
    this.board = h("ol", { class: "board", "aria-label": "The field at this step, best first" });
    this.step = h("output", { class: "mono", "aria-live": "off" });
    this.button = h("button", { type: "button", class: "main" }, "Start the race");
    this.button.addEventListener("click", () => (this.timer ? this.pause() : this.play()));
    this.slider = h("input", { type: "range", min: 0, max: this.n - 1, value: this.at, "aria-label": "Step of the race" });
    this.slider.addEventListener("input", () => {
      this.pause();
      this.show(Number(this.slider.value));
    });
    this.element = h("div", { class: "race" },
      h("div", { class: "controls" }, this.button, this.slider, this.step),
      h("div", { class: "beside" }, this.chart.element, h("div", { class: "card" }, this.board)),
    );
    this.show(this.at);
  }

  play() {
    if (this.at >= this.n - 1) this.at = 0;
    if (calm.matches) return this.show(this.n - 1);
    this.button.textContent = "Pause";
    const began = performance.now() - (1000 * SECONDS * this.at) / this.n;
    const tick = (now) => {
      const at = Math.min(this.n - 1, Math.floor(((now - began) / 1000 / SECONDS) * this.n));
      if (at !== this.at) this.show(at);
      if (at >= this.n - 1 || this.signal?.aborted) this.pause();
      else this.timer = requestAnimationFrame(tick);
    };
    this.timer = requestAnimationFrame(tick);
    return undefined;
  }

  pause() {
    cancelAnimationFrame(this.timer);
    this.timer = null;
    this.button.textContent = this.at >= this.n - 1 ? "Run it again" : "Go on";
  }

  show(at) {
    this.at = at;
    this.slider.value = at;
    const xs = this.series[0].xs;
    this.step.textContent = `step ${xs[Math.min(at, xs.length - 1)]}`;
    this.slider.setAttribute("aria-valuetext", this.step.textContent);
    this.chart.show(this.series.map((entry) => ({
      ...entry,
      errors: undefined,
      ys: entry.ys.map((y, index) => (index <= at ? y : null)),
    })));
    this.rank(at);
  }

  rank(at) {
    const field = this.series.map((entry) => ({ ...entry, loss: entry.ys[Math.min(at, entry.ys.length - 1)] }));
    field.sort((a, b) => (a.loss ?? Infinity) - (b.loss ?? Infinity));
    const worst = Math.max(...field.map(({ loss }) => loss ?? 0));
    replace(this.board, field.map(({ name, loss, color }) => {
      const bar = h("span", { class: "bar", "aria-hidden": "true" });
      bar.style.background = color;
      bar.style.inlineSize = `${loss == null ? 0 : Math.max(2, (100 * loss) / (worst || 1))}%`;
      const figure = h("span", { class: "mono" }, loss == null ? "diverged" : number(loss));
      return h("li", {}, h("span", { class: "name" }, name), figure, bar);
    }));
  }
}

// Lowest and highest loss of all: the axes stand still while the curves grow.
function findLimits(series) {
  const losses = series.flatMap(({ ys }) => ys.filter((y) => Number.isFinite(y) && y > 0));
  return losses.length ? [Math.min(...losses), Math.max(...losses)] : undefined;
}
