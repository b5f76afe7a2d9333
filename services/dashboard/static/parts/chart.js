// A line chart with hover, zoom, logarithmic axes and a legend that chooses series. uPlot draws it.

import { h, replace } from "../lib/dom.js";
import { fileName, save, toCsv } from "../lib/download.js";
import { number } from "../lib/format.js";
import { onThemeChange, seriesColor, themeColor } from "./colors.js";
import { toggle } from "./marks.js";

const HEIGHT = 280;

// series: [{ name, xs, ys, errors?, color?, width?, dash?, isPoints?, isHidden? }]
export class Chart {
  constructor({ title, xLabel = "update", yLabel = "", isYLog = false, isXLog = false, yLimits, signal }) {
    Object.assign(this, { title, xLabel, yLabel, isYLog, isXLog, yLimits });
    this.series = [];
    this.hidden = new Set();
    this.plot = h("div", { class: "plot", role: "img", tabindex: "0", "aria-label": title });
    this.legend = h("ul", { class: "legend", "aria-label": `Series of ${title}` });
    this.element = h("figure", { class: "card chart" }, this.makeCaption(), this.plot, this.legend);
    this.plot.addEventListener("keydown", (event) => this.moveCursor(event));
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.plot);
    signal?.addEventListener("abort", () => this.observer.disconnect());
    onThemeChange(() => this.draw(), signal);
  }

  makeCaption() {
    const tools = [
      toggle("log y", this.isYLog, (isOn) => this.redraw({ isYLog: isOn })),
      toggle("log x", this.isXLog, (isOn) => this.redraw({ isXLog: isOn })),
      this.makeTool("Reset zoom", () => this.draw()),
      this.makeTool("CSV", () => this.saveCsv()),
      this.makeTool("PNG", () => this.savePng()),
    ];
    return h("figcaption", {}, h("span", {}, this.title), h("span", { class: "tools" }, tools));
  }

  makeTool(label, work) {
    const attributes = { type: "button", class: "tool", "aria-label": `${label}: ${this.title}` };
    return h("button", { ...attributes, onclick: work }, label);
  }

  show(series) {
    const isSame = series.length === this.series.length
      && series.every((entry, index) => entry.name === this.series[index].name);
    this.series = series;
    if (isSame && this.uplot) this.uplot.setData(this.makeData());
    else this.draw();
    this.describe();
  }

  redraw(changes) {
    Object.assign(this, changes);
    this.draw();
  }

  draw() {
    this.uplot?.destroy();
    this.uplot = null;
    if (!this.series.length || !this.plot.clientWidth) return;
    this.uplot = new uPlot(this.makeOptions(), this.makeData(), this.plot);
    this.drawLegend();
  }

  makeData() {
    const isBad = (x, y) => !Number.isFinite(y) || (this.isYLog && y <= 0) || (this.isXLog && x <= 0);
    const tables = this.series.map(({ xs, ys, errors }) => {
      const kept = [...xs.keys()].filter((i) => !(this.isXLog && xs[i] <= 0));
      const column = (offset) => kept.map((i) => {
        const y = ys[i] + (offset && errors ? offset * (errors[i] ?? 0) : 0);
        return ys[i] == null || isBad(xs[i], y) ? null : y;
      });
      const x = kept.map((i) => xs[i]);
      return errors ? [x, column(0), column(1), column(-1)] : [x, column(0)];
    });
    return uPlot.join(tables);
  }

  makeOptions() {
    const columns = [{}];
    const bands = [];
    this.series.forEach((entry, index) => {
      const color = entry.color ?? seriesColor(index);
      const show = !this.hidden.has(entry.name);
      columns.push(makeColumn(entry, color, show));
      if (!entry.errors) return;
      columns.push({ show, width: 0, points: { show: false }, spanGaps: true });
      columns.push({ show, width: 0, points: { show: false }, spanGaps: true });
      const last = columns.length - 1;
      bands.push({ series: [last - 1, last], fill: withAlpha(color) });
    });
    return {
      width: this.plot.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { focus: { prox: 24 }, points: { size: 7 } },
      focus: { alpha: 0.35 },
      scales: {
        x: { time: false, distr: this.isXLog ? 3 : 1 },
        y: this.makeYScale(),
      },
      axes: [makeAxis(this.xLabel, 34, this.isXLog), makeAxis(this.yLabel, 62, this.isYLog)],
      series: columns,
      bands,
      hooks: { setCursor: [(u) => this.showValues(u.cursor.idx)] },
    };
  }

  // Fixed where limits were given; a logarithmic axis ends a little beyond the values.
  makeYScale() {
    const distr = this.isYLog ? 3 : 1;
    if (!this.isYLog && !this.yLimits) return { distr };
    return { distr, range: (_, low, high) => frame(...(this.yLimits ?? [low, high]), this.isYLog) };
  }

  drawLegend() {
    this.values = [];
    replace(this.legend, this.series.map((entry, index) => this.makeEntry(entry, index)));
  }

  makeEntry(entry, index) {
    const swatch = h("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = entry.color ?? seriesColor(index);
    const box = h("input", { type: "checkbox" });
    box.checked = !this.hidden.has(entry.name);
    box.addEventListener("change", () => {
      if (box.checked) this.hidden.delete(entry.name);
      else this.hidden.add(entry.name);
      this.draw();
      this.legend.querySelectorAll("input")[index]?.focus();
    });
    const value = h("span", { class: "value" });
    this.values.push(value);
    return h("li", {}, h("label", {}, box, swatch, ` ${entry.name} `, value));
  }

  showValues(index) {
    const { data } = this.uplot ?? {};
    if (!data) return;
    let column = 1;
    this.series.forEach((entry, place) => {
      const y = index == null ? null : data[column][index];
      this.values[place].textContent = y == null ? "" : `${number(y)} at ${number(data[0][index])}`;
      column += entry.errors ? 3 : 1;
    });
  }

  // Arrow keys walk along the curves.
  moveCursor(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !this.uplot) return;
    event.preventDefault();
    const xs = this.uplot.data[0];
    const index = Math.min(xs.length - 1, Math.max(0, (this.uplot.cursor.idx ?? -1) + step));
    this.uplot.setCursor({ left: this.uplot.valToPos(xs[index], "x"), top: 10 });
    this.showValues(index);
  }

  resize() {
    if (!this.uplot) this.draw();
    else if (this.uplot.width !== this.plot.clientWidth) {
      this.uplot.setSize({ width: this.plot.clientWidth, height: HEIGHT });
    }
  }

  // For who cannot see it: where each series begins, ends and is lowest.
  describe() {
    const parts = this.series.slice(0, 12).map(({ name, xs, ys }) => {
      const known = ys.filter((y) => Number.isFinite(y));
      if (!known.length) return `${name}: no finite value`;
      const [first, last] = [known[0], known.at(-1)].map((y) => number(y));
      const lowest = number(known.reduce((a, b) => Math.min(a, b)));
      return `${name}: from ${first} to ${last} at ${xs.at(-1)}, lowest ${lowest}`;
    });
    this.plot.setAttribute("aria-label", `${this.title}. ${parts.join(". ")}`);
  }

  saveCsv() {
    const rows = this.series.flatMap(({ name, xs, ys, errors }) =>
      xs.map((x, i) => [name, x, ys[i], errors?.[i]]));
    save(toCsv([["series", this.xLabel, this.yLabel || "value", "stderr"], ...rows]),
      `${fileName(this.title)}.csv`, "text/csv");
  }

  savePng() {
    this.uplot?.ctx.canvas.toBlob((blob) => save(blob, `${fileName(this.title)}.png`));
  }
}

function makeColumn({ name, width = 1.8, dash, isPoints }, color, show) {
  const paths = isPoints ? { paths: () => null } : {};
  const points = { show: isPoints ? true : undefined, size: isPoints ? 7 : 5, fill: color };
  return { label: name, stroke: color, width, dash, show, spanGaps: true, points, ...paths };
}

function makeAxis(label, size, isLog) {
  return {
    label,
    labelSize: label ? 20 : 0,
    size,
    stroke: themeColor("muted"),
    grid: { stroke: themeColor("line"), width: 1 },
    ticks: { stroke: themeColor("line"), width: 1 },
    values: (_, splits) => splits.map((value) => (value == null || (isLog && !isRound(value)) ? "" : number(value))),
  };
}

function frame(low, high, isLog) {
  if (low == null) return isLog ? [0.1, 1] : [0, 1];
  if (isLog) return [low / 1.15, high * 1.15];
  const margin = 0.05 * (high - low || 1);
  return [low - margin, high + margin];
}

// One digit and a power of ten.
function isRound(value) {
  const digits = value / 10 ** Math.floor(Math.log10(value) + 1e-9);
  return Math.abs(digits - Math.round(digits)) < 1e-6;
}

const withAlpha = (color) => (color.startsWith("#") ? `${color}2e` : color);
