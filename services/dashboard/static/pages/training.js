// A meta-training, live: its losses, its speed and its workers. The meta-loss of a period depends
// on where in the episode it stands, so each position has a line of its own.

import { get } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { Chart } from "../parts/chart.js";
import { facts, versionLink } from "../parts/marks.js";

const POINTS = 2000;
const MANY_POSITIONS = 10;

export function trainingBody({ job, path, signal }) {
  const n_positions = countPositions(job.spec);
  const charts = {
    meta_loss: new Chart({ title: n_positions > 1 ? "Meta-loss, by period of the episode" : "Meta-loss", isYLog: true, signal }),
    validation_loss: new Chart({ title: "Validation loss", isYLog: true, signal }),
    learner_steps_per_second: new Chart({ title: "Learner-steps per second", signal }),
    gradient_norm: new Chart({ title: "Norm of the meta-gradient", isYLog: true, signal }),
  };
  const now = h("div");
  const points = Object.fromEntries(Object.keys(charts).map((name) => [name, new Map()]));
  const latest = {};
  const element = h("div", {}, now, h("div", { class: "plots" }, Object.values(charts).map((chart) => chart.element)));
  let isDrawn = false;

  async function load() {
    await Promise.all(Object.keys(charts).map(async (name) => {
      const { items } = await get(`${path}/metrics?name=${name}&points=${POINTS}`, signal).catch(() => ({ items: [] }));
      for (const { step, value } of items) points[name].set(step, value);
    }));
  }

  function draw() {
    for (const [name, chart] of Object.entries(charts)) {
      const sorted = [...points[name]].sort((a, b) => a[0] - b[0]);
      chart.element.hidden = !sorted.length;
      if (!sorted.length) continue;
      chart.show(name === "meta_loss" ? byPosition(sorted, n_positions) : [{ name: chart.title, ...columns(sorted) }]);
    }
    if (Object.keys(latest).length) replace(now, facts(latest));
  }

  function onEvent({ type, data }) {
    if (type === "progress") {
      points.meta_loss.set(data.update, data.meta_loss);
      points.learner_steps_per_second.set(data.update, data.learner_steps_per_second);
      latest.Update = `${data.update} of ${data.n_updates}`;
      latest["Meta-loss"] = number(data.meta_loss);
      latest["Learner-steps per second"] = number(data.learner_steps_per_second, 3);
      latest.Workers = data.n_workers;
    }
    if (type === "validation") {
      points.validation_loss.set(data.update, data.loss);
      if (data.best) latest["Best validation loss"] = `${number(data.loss)} at update ${data.update}`;
    }
    if (type === "workers") latest.Workers = data.n;
    if (type === "version") latest["New version"] = versionLink(data.optimizer, data.number);
    if (type === "promotion") latest.Promotion = `${data.promoted ? "moved" : "did not move"} ${data.alias}: ${data.why}`;
  }

  async function refresh() {
    if (!isDrawn) await load();
    isDrawn = true;
    draw();
  }

  return { element, onEvent, refresh };
}

// Periods of an episode, where all episodes are of one length; else 1.
function countPositions({ unroll, tasks }) {
  const isFixed = unroll?.period && !unroll.curriculum && !tasks?.horizon;
  return isFixed ? Math.max(1, Math.floor(unroll.horizon / unroll.period)) : 1;
}

const columns = (sorted) => ({ xs: sorted.map(([x]) => x), ys: sorted.map(([, y]) => y) });

function byPosition(sorted, n_positions) {
  if (n_positions === 1) return [{ name: "meta-loss", ...columns(sorted) }];
  const stride = Math.ceil(n_positions / MANY_POSITIONS);
  const chosen = [...Array(n_positions).keys()].filter((k) => k % stride === 0 || k === n_positions - 1);
  const first = sorted[0][0] === 0 ? 0 : 1;
  return chosen.map((position) => ({
    name: `period ${position + 1}`,
    ...columns(sorted.filter(([update]) => (update - first) % n_positions === position)),
  })).filter(({ xs }) => xs.length);
}
