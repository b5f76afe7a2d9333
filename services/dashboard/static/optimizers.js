// Optimizers, their versions and aliases. Downloads go through fetch, because a link cannot carry
// the key.

import { all, blob, freshKey, get, post } from "/dashboard/api.js";
import { action, bytes, download, h, notify, table, when } from "/dashboard/dom.js";

const VERSION_HEADINGS = [
  "Version#",
  "Aliases",
  "Validation loss#",
  "Notes",
  "Made",
  "By",
  "Size#",
  "SHA-256",
  "Actions",
];

export async function optimizersPage(content, { signal }) {
  content.append(h("div", { class: "head" }, h("h1", {}, "Optimizers")));
  const optimizers = await all("/v1/optimizers?limit=200", signal);
  content.append(
    table(
      "Optimizers, by name",
      ["Name", "Latest version#", "Aliases", "Made"],
      optimizers.map(optimizerRow),
      "No optimizer yet: a meta-training job that succeeds makes a version.",
    ),
  );
}

function optimizerRow(optimizer) {
  const entries = Object.entries(optimizer.aliases);
  const aliases = entries.map(([alias, number]) => `${alias} → ${number}`);
  return h("tr", {},
    h("td", {}, h("a", { href: `#/optimizers/${optimizer.name}` }, optimizer.name)),
    h("td", { class: "number" }, optimizer.latest.number),
    h("td", { class: "wide" }, tags(aliases)),
    h("td", {}, when(optimizer.latest.created_at)),
  );
}

export async function optimizerPage(content, { holder, signal, id: name }) {
  const path = `/v1/optimizers/${encodeURIComponent(name)}`;
  content.append(
    h("p", { class: "crumb" }, h("a", { href: "#/optimizers" }, "Optimizers")),
    h("div", { class: "head" }, h("h1", {}, name)),
  );
  const [versions, aliases] = await Promise.all([
    all(`${path}/versions?limit=200`, signal),
    get(`${path}/aliases`, { signal }),
  ]);
  content.append(
    table(
      "Versions, newest first",
      VERSION_HEADINGS,
      versions.map((version) => versionRow(path, version, holder)),
      "No versions.",
    ),
    h("h2", {}, "Use it"),
    h("pre", { class: "card", tabindex: "0" }, example(name)),
    h("h2", {}, "History of aliases"),
    table(
      "Moves of aliases, newest first",
      ["Alias", "Move", "When", "Who", "Why"],
      aliases.history.reverse().map(changeRow),
      "No alias was ever set.",
    ),
  );
}

function example(name) {
  const theta = `hyperadam.pull("${name}@latest")`;
  const use = `optimizer = hyperadam.HyperAdam(model.parameters(), theta=${theta})`;
  return `import hyperadam\n${use}`;
}

function versionRow(path, version, holder) {
  const save = async () => {
    const weights = await blob(`${path}/versions/${version.number}/weights`);
    download(weights, `${version.optimizer}-${version.number}.safetensors`);
  };
  const actions = [action("Download", save)];
  if (holder.scopes.includes("submit")) {
    actions.push(action("Evaluate", () => evaluate(version)));
  }
  const notes = Object.entries(version.tags).map(([name, value]) => `${name}: ${value}`);
  return h("tr", {},
    h("td", { class: "number" }, version.number),
    h("td", {}, tags(version.aliases)),
    h("td", { class: "number" }, version.metrics.validation_loss?.toPrecision(4) ?? "–"),
    h("td", { class: "wide" }, version.description, " ", tags(notes)),
    h("td", {}, when(version.created_at)),
    h("td", {}, maker(version)),
    h("td", { class: "number" }, bytes(version.size_bytes)),
    h("td", { class: "mono", title: version.sha256 }, version.sha256.slice(0, 12)),
    h("td", {}, h("div", { class: "actions" }, actions)),
  );
}

async function evaluate(version) {
  const reference = `${version.optimizer}@${version.number}`;
  const body = {
    kind: "evaluation",
    name: `${reference} against tuned baselines`,
    spec: { optimizers: [reference] },
  };
  const job = await post("/v1/jobs", body, { "Idempotency-Key": freshKey() });
  notify("Submitted.");
  location.hash = `#/jobs/${job.id}`;
}

function maker(version) {
  if (version.job_id) return h("a", { href: `#/jobs/${version.job_id}` }, "job");
  if (version.tags.uploaded_by) return `upload by ${version.tags.uploaded_by}`;
  return "–";
}

function changeRow(change) {
  const move = `${change.old_version ?? "none"} → ${change.new_version ?? "none"}`;
  return h("tr", {},
    h("td", {}, change.alias),
    h("td", {}, change.protected ? `${move}, protected` : move),
    h("td", {}, when(change.changed_at)),
    h("td", {}, change.actor),
    h("td", { class: "wide" }, change.reason || "–"),
  );
}

const tags = (texts) => texts.map((text) => [h("span", { class: "tag" }, text), " "]);
