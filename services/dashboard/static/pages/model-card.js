// A model card of a version, as Markdown, made of what the registry knows and of nothing else.

import { save } from "../lib/download.js";
import { number, withError } from "../lib/format.js";
import { action } from "../parts/action.js";

export const saveCard = (version) =>
  action("Model card", () => save(makeCard(version), `${version.optimizer}-${version.number}.md`, "text/markdown"));

export function makeCard(version) {
  const { lineage, manifest } = version;
  const list = (entries) => entries.filter(([, value]) => value != null && value !== "").map(([name, value]) => `- ${name}: ${value}`);
  const lines = [
    `# ${version.optimizer}@${version.number}`, "", version.description, "",
    "## What it is", "",
    ...list([
      ["Rule", manifest.rule?.kind ?? manifest.kind],
      ["SHA-256", version.sha256],
      ["Size in bytes", version.size_bytes],
      ["Made", version.created_at],
      ["Aliases", version.aliases.join(", ")],
    ]), "",
    "## Where it comes from", "",
    ...list([
      ["Source", lineage.source], ["Job", lineage.job_id], ["Started from", lineage.parent],
      ...Object.entries(lineage.datasets).map(([name, print]) => [`Dataset ${name}`, print]),
      ...Object.entries(lineage.code).map(([name, code]) => [`Code ${name}`, code]),
    ]), "",
    "## What was measured", "",
    ...list(Object.entries(version.metrics).map(([name, value]) => [name, number(value)])), "",
    ...version.evaluations.flatMap(evaluationLines),
    "## How it is used", "", "```python", `theta = hyperadam.pull("${version.optimizer}@${version.number}")`, "```", "",
  ];
  return lines.join("\n");
}

function evaluationLines({ job_id: job, summary }) {
  const rows = Object.entries(summary.tasks ?? {}).map(([task, { mean, stderr, n_diverged: n }]) => `| ${task} | ${withError(mean, stderr)} | ${n} |`);
  return [`### Evaluation ${job}`, "", "| task | loss | diverged |", "|---|---|---|", ...rows, ""];
}
