// A study, live: its leaderboard, what its trials reached, which fields matter; it can be changed
// while it runs, and the Θ of any trial can become a version.

import { get, patch, post } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { duration, number, plain } from "../lib/format.js";
import { action, actions } from "../parts/action.js";
import { bars } from "../parts/bars.js";
import { Chart } from "../parts/chart.js";
import { ask } from "../parts/dialog.js";
import { ENDED, facts, versionLink } from "../parts/marks.js";
import { notify } from "../parts/notice.js";
import { Parallel } from "../parts/parallel.js";
import { Table } from "../parts/table.js";

const MOST_CURVES = 40;

export function studyBody({ job, path, signal, holder }) {
  const maySubmit = holder.scopes.includes("submit");
  const controls = h("div", { class: "controls" });
  const summary = h("div");
  const history = new Chart({ title: "History: objective by trial", xLabel: "trial", yLabel: "objective", signal });
  const curves = new Chart({ title: "Intermediate values: validation loss by update", isYLog: true, signal });
  const parallel = new Parallel();
  const importance = h("div");
  const board = makeBoard(job.spec, maySubmit && ((trial) => register(trial, path)), (trial) => parallel.highlight(trial));
  const waiting = h("p", { class: "card empty" }, "No trial yet.");
  const parts = h("div", { hidden: true },
    h("h2", {}, "Leaderboard"), board.element,
    h("div", { class: "plots" }, history.element, curves.element),
    parallel.element, h("h2", {}, "Importance"), importance);
  const element = h("div", {}, controls, summary, waiting, parts);

  async function refresh(now) {
    const isOver = ENDED.has(now.state);
    if (maySubmit && controls.dataset.over !== String(isOver)) {
      controls.dataset.over = isOver;
      replace(controls, !isOver && actions(
        action("Stop after running trials", async () => notify(tellControl(await post(`${path}/stop`)))),
        action("Change trials", () => change(path, now.spec)),
      ));
    }
    const result = await get(`${path}/result`, signal).catch((error) => {
      if (error.status !== 404) throw error;
      return null;
    });
    if (result?.trials?.length) show(result, now.spec);
  }

  function show(result, spec) {
    waiting.hidden = true;
    parts.hidden = false;
    replace(summary, summarize(result));
    board.show(rank(result));
    const scored = result.trials.filter(({ objective }) => objective != null);
    history.element.hidden = !scored.length;
    if (scored.length) history.show(makeHistory(scored));
    const curved = result.trials.filter(({ curve }) => curve.length).slice(-MOST_CURVES);
    curves.element.hidden = !curved.length;
    if (curved.length) curves.show(curved.map(makeCurve));
    parallel.show(makeAxes(result, spec), result.trials);
    replace(importance, showImportance(result.importance));
  }

  return { element, refresh };
}

const summarize = (result) => facts({
  Objective: result.objective,
  Searcher: result.searcher,
  Scheduler: result.scheduler,
  Trials: `${result.trials.length}, of which ${result.trials.filter(({ state }) => state === "running").length} run`,
  Took: duration(result.wall_seconds),
  Best: result.best_trial != null && `trial ${result.best_trial}`,
  Version: result.version && versionLink(result.version.optimizer, result.version.number),
  "Saved by stopping early": result.savings?.n_stopped > 0 && `${result.savings.updates} updates of ${result.savings.n_stopped} trials`,
});

// Trials with an objective first, best first; then the others as they began.
function rank(result) {
  const places = new Map(result.leaderboard.map((number, place) => [number, place + 1]));
  const place = (trial) => places.get(trial.number) ?? Infinity;
  return result.trials
    .map((trial) => ({ ...trial, place: places.get(trial.number) ?? null }))
    .sort((a, b) => place(a) - place(b) || a.number - b.number);
}

function makeBoard(spec, onRegister, onFocus) {
  const value = (path) => (trial) => trial.values[path];
  const columns = [
    { title: "Rank", isNumber: true, cell: (trial) => trial.place ?? "–", value: (trial) => trial.place },
    { title: "Trial", isNumber: true, cell: (trial) => trial.number, value: (trial) => trial.number },
    { title: "Objective", isNumber: true, cell: (trial) => number(trial.objective), value: (trial) => trial.objective },
    { title: "State", cell: (trial) => h("span", { class: `state trial-${trial.state}`, title: trial.error }, trial.state), value: (trial) => trial.state },
    { title: "Updates", isNumber: true, cell: (trial) => `${trial.updates} of ${trial.n_updates}`, value: (trial) => trial.updates },
    ...Object.keys(spec.space).map((path, _, paths) => ({ title: shorten(path, paths), isNumber: true, cell: (trial) => plain(trial.values[path]), value: value(path) })),
    { title: "Seed", isNumber: true, cell: (trial) => trial.seed, value: (trial) => trial.seed },
    { title: "Took", isNumber: true, cell: (trial) => duration(trial.seconds), value: (trial) => trial.seconds },
  ];
  if (onRegister) columns.push({ title: "Its Θ", cell: (trial) => trial.updates > 0 && action("Register", () => onRegister(trial)) });
  return new Table({
    caption: "Leaderboard: trials, best first",
    columns,
    empty: "No trial yet.",
    key: (trial) => `trial ${trial.number}`,
    onRow: (row, trial) => {
      row.addEventListener("pointerenter", () => onFocus(trial.number));
      row.addEventListener("focusin", () => onFocus(trial.number));
      row.addEventListener("pointerleave", () => onFocus(null));
    },
  });
}

function makeHistory(scored) {
  let lowest = Infinity;
  const best = scored.map(({ objective }) => (lowest = Math.min(lowest, objective)));
  const xs = scored.map(({ number }) => number);
  return [
    { name: "trial", xs, ys: scored.map(({ objective }) => objective), isPoints: true },
    { name: "best so far", xs, ys: best, width: 2.4 },
  ];
}

const makeCurve = ({ number, curve }) => ({
  name: `trial ${number}`,
  xs: curve.map(({ update }) => update),
  ys: curve.map(({ validation_loss }) => validation_loss),
});

function makeAxes(result, spec) {
  const fields = result.space.map((path) => ({
    name: path,
    values: result.trials.map(({ values }) => values[path]),
    isLog: spec.space[path]?.kind === "log-uniform" || spec.space[path]?.log === true,
  }));
  return [...fields, { name: "objective", values: result.trials.map(({ objective }) => objective), isLog: true }];
}

function showImportance(importance) {
  if (!importance) return h("p", { class: "card" }, "Too few points were trained to the end to say which fields matter.");
  const shares = Object.entries(importance.shares).sort((a, b) => b[1] - a[1]);
  return h("div", { class: "card" },
    h("p", { class: "help" }, `By ${importance.method}, over points that were trained to the end: how much of the objective's variation over the space each field explains. It says nothing of the best values.`),
    importance.left_out?.length > 0 && h("p", { class: "help" }, `Without a share, as not every point has them: ${importance.left_out.join(", ")}.`),
    bars(shares, (share) => `${(100 * share).toFixed(1)} %`));
}

function change(path, spec) {
  ask({
    title: "Change the study while it runs",
    confirm: "Change",
    fields: [
      { name: "trials", label: "Trials in all, every seed counted", kind: "number", value: spec.limits.trials },
      { name: "parallel_trials", label: "Trials side by side", kind: "number", value: spec.limits.parallel_trials },
    ],
    work: async (values) => {
      const limits = Object.entries(values).filter(([, value]) => value !== "");
      notify(tellControl(await patch(`${path}/study`, Object.fromEntries(limits.map(([name, value]) => [name, Number(value)])))));
    },
  });
}

function tellControl({ trials, parallel_trials, stopping }) {
  const parts = [trials != null && `${trials} trials`, parallel_trials != null && `${parallel_trials} side by side`, stopping && "no trial begins any more"];
  return `Asked for: ${parts.filter(Boolean).join(", ")}.`;
}

function register(trial, path) {
  ask({
    title: `Register the Θ of trial ${trial.number}`,
    confirm: "Register",
    fields: [{ name: "optimizer", label: "Name of the optimizer", required: true, help: "Lower-case letters, digits, dots and dashes." }],
    work: async ({ optimizer }) => {
      const version = await post(`${path}/trials/${trial.number}/version`, { optimizer });
      notify(`Registered as ${version.optimizer}@${version.number}.`);
    },
  });
}

// A field's own name, where no other of the space ends so: headings are short.
function shorten(path, paths) {
  const name = path.split(".").at(-1);
  return paths.some((other) => other !== path && other.endsWith(`.${name}`)) ? path : name;
}
