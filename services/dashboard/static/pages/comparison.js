// Two versions side by side: what differs in spec and lineage, metrics, evaluations.

import { get, withQuery } from "../lib/api.js";
import { add, h } from "../lib/dom.js";
import { number, plain, withError } from "../lib/format.js";
import { versionLink } from "../parts/marks.js";
import { table } from "../parts/table.js";

export async function showComparison(content, path, other, signal) {
  const answer = await get(withQuery(`${path}/compare`, { to: other }), signal);
  const names = [answer.left, answer.right].map((version) => `${version.optimizer}@${version.number}`);
  add(content,
    h("h2", {}, "Compared with ", versionLink(answer.right.optimizer, answer.right.number)),
    table("Metrics", sides(names, "Metric", ({ metric }) => metric, number), answer.metrics, "No metrics."),
    h("h3", {}, "What differs in the spec"),
    table("Differences of the specs", sides(names, "Field", ({ field }) => field, plain), answer.spec, "Nothing differs."),
    h("h3", {}, "What differs in the lineage"),
    table("Differences of the lineages", sides(names, "Field", ({ field }) => field, plain), answer.lineage, "Nothing differs."),
    ...answer.evaluations.map((evaluation) => showEvaluation(evaluation, names)),
  );
}

function sides(names, title, name, format) {
  return [
    { title, isWide: true, cell: name, value: name },
    { title: names[0], isWide: true, isNumber: format === number, cell: ({ left }) => format(left) },
    { title: names[1], isWide: true, isNumber: format === number, cell: ({ right }) => format(right) },
  ];
}

function showEvaluation({ settings, tasks }, names) {
  const text = Object.entries(settings).map(([field, value]) => `${field} ${plain(value)}`).join(" · ");
  const figure = (side) => (side ? withError(side.mean, side.stderr) : "–");
  return h("div", {},
    h("h3", {}, "Evaluations with the same settings"),
    h("p", { class: "help" }, text),
    table("Tasks side by side", [
      { title: "Task", cell: ({ task }) => task, value: ({ task }) => task },
      { title: names[0], isNumber: true, cell: ({ left }) => figure(left), value: ({ left }) => left?.mean },
      { title: names[1], isNumber: true, cell: ({ right }) => figure(right), value: ({ right }) => right?.mean },
    ], tasks, "No tasks."));
}
