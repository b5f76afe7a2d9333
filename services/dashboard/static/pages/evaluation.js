// What an evaluation found: its table, its loss curves, and a race on each task.

import { get, resultPath } from "../lib/api.js";
import { add, h, replace } from "../lib/dom.js";
import { number, plain, withError } from "../lib/format.js";
import { Chart } from "../parts/chart.js";
import { choice, facts } from "../parts/marks.js";
import { Race } from "../parts/race.js";
import { Table } from "../parts/table.js";

export function evaluationBody({ job, path, signal }) {
  const cells = h("p", { role: "status" });
  const report = h("div");
  const element = h("div", {}, cells, report);
  let isShown = false;

  function onEvent({ type, data }) {
    if (type === "cell" && !isShown) cells.textContent = `${data.done} of ${data.total} cells done: ${data.label}`;
    if (type === "section.left-out") add(report, h("p", { class: "card" }, `${data.suite} is left out: ${data.reason}`));
  }

  async function refresh(now) {
    if (isShown || now.state !== "succeeded") return;
    isShown = true;
    cells.textContent = "";
    const result = await get(`${path}/result`, signal);
    if (!result.sections) return showReport(report, result, signal);

    const box = h("div");
    const open = async (name) => {
      const answer = await get(resultPath(job.id, `${name}/result.json`), signal);
      showReport(replace(box), answer, signal);
    };
    add(report, choice("Suite", result.sections, result.sections[0], open), box);
    return open(result.sections[0]);
  }

  return { element, onEvent, refresh };
}

function showReport(box, result, signal) {
  const tasks = [...new Set(result.rows.map((row) => row.task))];
  add(box,
    h("h2", {}, result.title),
    facts({
      Suite: result.suite,
      Dataset: result.dataset,
      "Steps a run": result.horizon,
      "Starts a task": result.n_starts,
      "Starts that tuned rates": result.n_tuning_starts,
      Seed: result.seed,
      Size: result.quick ? "quick" : "full",
      "Learned optimizers": Object.entries(result.variants ?? {}).map(([name, label]) => `${name} (${label}) `),
    }),
    h("h2", {}, "Table"),
    makeTable(result),
  );
  if (result.curves) add(box, ...makeCurves(result, tasks, signal));
}

function makeTable(result) {
  const measure = result.measure ?? "final loss";
  const columns = [
    { title: "Task", cell: (row) => row.task, value: (row) => row.task },
    { title: "Optimizer", isWide: true, cell: (row) => [row.best ? h("strong", {}, row.optimizer) : row.optimizer, h("span", { class: "sub" }, row.kind)], value: (row) => row.optimizer },
    { title: measure, isNumber: true, cell: (row) => withError(row.mean, row.stderr), value: (row) => row.mean },
    { title: "Rate", isNumber: true, cell: (row) => number(row.rate, 3), value: (row) => row.rate },
    { title: "Against the best baseline", isWide: true, cell: verdictCell, value: (row) => row.verdict ?? "" },
    { title: "Gained by meta-training", isWide: true, cell: gainCell, value: (row) => row.gained?.mean },
    { title: "Diverged", isNumber: true, cell: (row) => `${row.n_diverged} of ${row.n_starts}`, value: (row) => row.n_diverged },
    { title: "Test", isWide: true, cell: testCell },
    { title: "Time to Adam's", isNumber: true, cell: (row) => (row.ratio ? withError(row.ratio.mean, row.ratio.stderr) : "–") },
  ];
  const shown = columns.filter(({ title }) => isSaid(result.rows, title));
  const made = new Table({ caption: "Optimizers by task", columns: shown, empty: "No rows.", sort: { index: 0, isDown: false } });
  made.show(result.rows);
  return made.element;
}

const FIELDS = { "Gained by meta-training": "gained", Test: "test", "Time to Adam's": "ratio" };
const isSaid = (rows, title) => !FIELDS[title] || rows.some((row) => row[FIELDS[title]]);

function verdictCell(row) {
  if (!row.difference) return row.best ? "best of its task" : "–";
  const figure = withError(row.difference.mean, row.difference.stderr);
  return [h("span", { class: `verdict ${row.verdict}` }, row.verdict), h("span", { class: "sub" }, `${figure} to ${row.difference.to}`)];
}

const gainCell = (row) =>
  row.gained ? [row.gained.verdict, h("span", { class: "sub" }, withError(row.gained.mean, row.gained.stderr))] : "–";
const testCell = (row) =>
  row.test ? Object.entries(row.test).map(([name, { mean }]) => `${name} ${plain(mean)}`).join(" · ") : "–";

function makeCurves(result, tasks, signal) {
  const chart = new Chart({ title: "Loss on the minibatch", xLabel: "step", yLabel: "loss", isYLog: true, signal });
  const race = h("div");
  const show = (task) => {
    const series = makeSeries(result, task);
    chart.hidden.clear();
    chart.show(series);
    const made = new Race({ title: task, series, isYLog: true, signal });
    replace(race, made.element);
  };
  const pick = choice("Task", tasks, tasks[0], show);
  show(tasks[0]);
  return [
    h("h2", {}, "Curves"), pick,
    h("p", { class: "help" }, "Bands are one standard error over starts. Learned optimizers have thick lines, their untrained starts dashed ones. Drag to zoom; arrow keys walk along the curves."),
    chart.element, h("h2", {}, "Race"), race,
  ];
}

function makeSeries(result, task) {
  const steps = result.task_steps?.[task] ?? result.curve_steps;
  const kinds = Object.fromEntries(result.rows.filter((row) => row.task === task).map((row) => [row.optimizer, row.kind]));
  const entries = Object.entries(result.curves[task]).map(([name, { mean, stderr }]) => ({
    name,
    xs: steps,
    ys: mean,
    errors: stderr,
    width: kinds[name] === "baseline" ? 1.3 : 2.6,
    dash: kinds[name] === "untrained" ? [6, 4] : undefined,
  }));
  const isBaseline = (entry) => kinds[entry.name] === "baseline";
  return entries.sort((a, b) => isBaseline(a) - isBaseline(b));
}
