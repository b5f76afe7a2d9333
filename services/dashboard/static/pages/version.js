// One version of Θ: what it is, where it comes from, what evaluations say of it, and what may be
// done with it.

import { get, optimizerPath } from "../lib/api.js";
import { add, h } from "../lib/dom.js";
import { bytes, number, plain, when, withError } from "../lib/format.js";
import { address, read } from "../lib/router.js";
import { actions } from "../parts/action.js";
import { crumb, facts, fold, head, jobLink, labels, snippet, tags } from "../parts/marks.js";
import { table } from "../parts/table.js";
import { showComparison } from "./comparison.js";
import { saveCard } from "./model-card.js";
import { showUse } from "./use.js";
import { versionActions } from "./version-actions.js";

export async function versionPage(content, { holder, signal, id: name, ref, system, reload }) {
  const path = `${optimizerPath(name)}/versions/${encodeURIComponent(ref)}`;
  const version = await get(path, signal);
  const title = `${name}@${version.number}`;
  document.title = `${title} · HyperAdam`;
  const weights = h("a", { class: "button main", href: `${path}/weights`, download: `${name}-${version.number}.safetensors` }, "Download weights");
  add(content,
    crumb(name, "optimizers", name),
    head(title, tags(version.aliases), actions(weights, saveCard(version), versionActions(version, holder, reload))),
    version.damage && h("p", { class: "card bad" }, version.damage),
    version.description && h("p", { class: "card" }, version.description),
    showFacts(version, await system()),
  );
  const other = read().query.get("to");
  if (other) return showComparison(content, path, other, signal);

  const metrics = Object.entries(version.metrics).map(([metric, value]) => ({ metric, value }));
  add(content,
    h("h2", {}, "Metrics"),
    table("Metrics", [
      { title: "Metric", isWide: true, cell: (entry) => entry.metric, value: (entry) => entry.metric },
      { title: "Value", isNumber: true, cell: (entry) => number(entry.value), value: (entry) => entry.value },
    ], metrics, "No metrics."),
    h("h2", {}, "Evaluations"),
    ...showEvaluations(version.evaluations),
    showUse(name, version),
    fold("Manifest", (box) => add(box, snippet("Manifest", JSON.stringify(version.manifest, null, 2)))),
  );
  return undefined;
}

function showFacts(version, { mlflow_url: mlflow }) {
  const { lineage } = version;
  const parent = lineage.parent && h("a", { href: address("optimizers", ...splitReference(lineage.parent)) }, lineage.parent);
  return facts({
    Made: when(version.created_at),
    "By the job": version.job_id && jobLink(version.job_id),
    Source: lineage.source,
    "Started from": parent,
    "Continued from": lineage.continued_from && [jobLink(lineage.continued_from.job_id), ` at update ${lineage.continued_from.update}`],
    Rule: version.manifest.rule?.kind ?? version.manifest.kind,
    Size: bytes(version.size_bytes),
    "SHA-256": h("span", { class: "mono" }, version.sha256),
    Datasets: tags(Object.entries(lineage.datasets).map(shorten)),
    Code: tags(Object.entries(lineage.code).map(shorten)),
    Tags: labels(version.tags),
    Archived: version.archived && "yes: it is in no list and never latest",
    MLflow: mlflow && h("a", { href: mlflowPage(mlflow, version), target: "_blank", rel: "noopener noreferrer" }, "open in MLflow"),
  });
}

// Digests by their beginnings.
const shorten = ([name, text]) => `${name} ${String(text).length > 24 ? String(text).slice(0, 12) : text}`;

const mlflowPage = (base, { optimizer, number: version }) =>
  `${base.replace(/\/$/, "")}/#/models/${encodeURIComponent(optimizer)}/versions/${version}`;

function splitReference(reference) {
  const at = reference.lastIndexOf("@");
  return [reference.slice(0, at), "versions", reference.slice(at + 1)];
}

function showEvaluations(evaluations) {
  if (!evaluations.length) return [h("p", { class: "card empty" }, "No evaluation yet.")];
  return [...evaluations].reverse().map(({ job_id: job, evaluated_at: moment, summary }) => {
    const tasks = Object.entries(summary.tasks ?? {}).map(([task, figures]) => ({ task, ...figures }));
    const settings = Object.entries(summary.settings ?? {}).map(([field, value]) => `${field} ${plain(value)}`);
    return h("div", {},
      h("p", {}, jobLink(job), " ", when(moment), h("span", { class: "sub" }, settings.join(" · "))),
      table(`Evaluation by ${job}`, [
        { title: "Task", cell: (row) => row.task, value: (row) => row.task },
        { title: "Loss", isNumber: true, cell: (row) => withError(row.mean, row.stderr), value: (row) => row.mean },
        { title: "Best baseline", isWide: true, cell: (row) => (row.baseline ? `${row.baseline.optimizer ?? row.baseline.name ?? ""} ${withError(row.baseline.mean, row.baseline.stderr)}` : "–") },
        { title: "Diverged", isNumber: true, cell: (row) => row.n_diverged, value: (row) => row.n_diverged },
      ], tasks, "No tasks."));
  });
}
