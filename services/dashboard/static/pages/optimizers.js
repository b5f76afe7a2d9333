// Optimizers, by name.

import { all } from "../lib/api.js";
import { add, h } from "../lib/dom.js";
import { number, when } from "../lib/format.js";
import { address } from "../lib/router.js";
import { head, tags, versionLink } from "../parts/marks.js";
import { table } from "../parts/table.js";

export async function optimizersPage(content, { signal }) {
  add(content, head("Optimizers"));
  const optimizers = await all("v1/optimizers?limit=200", signal);
  add(content, table("Optimizers, by name", [
    { title: "Name", isWide: true, cell: ({ name }) => h("a", { href: address("optimizers", name) }, name), value: ({ name }) => name },
    { title: "Latest version", cell: ({ name, latest }) => versionLink(name, latest.number), value: ({ latest }) => latest.number },
    { title: "Rule", cell: ({ latest }) => latest.manifest.rule?.kind ?? latest.manifest.kind ?? "–" },
    { title: "Validation loss", isNumber: true, cell: ({ latest }) => number(latest.metrics.validation_loss), value: ({ latest }) => latest.metrics.validation_loss },
    { title: "Aliases", isWide: true, cell: ({ aliases }) => tags(Object.entries(aliases).map(([alias, at]) => `${alias} → ${at}`)) },
    { title: "Made", cell: ({ latest }) => when(latest.created_at), value: ({ latest }) => latest.created_at },
  ], optimizers, "No optimizer yet: a meta-training job that succeeds makes a version."));
}
