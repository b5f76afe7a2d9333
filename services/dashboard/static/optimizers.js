// Optimizers, their versions and aliases; downloads go through fetch, because a link cannot carry the key.

import { all, blob, freshKey, get, post } from "/dashboard/api.js";
import { action, bytes, download, h, notify, table, when } from "/dashboard/dom.js";

export async function optimizersPage(content, { signal }) {
  content.append(h("div", { class: "head" }, h("h1", {}, "Optimizers")));
  const found = await all("/v1/optimizers?limit=200", signal);
  const rows = found.map((optimizer) => h("tr", {},
    h("td", {}, h("a", { href: `#/optimizers/${optimizer.name}` }, optimizer.name)),
    h("td", { class: "number" }, optimizer.latest.number),
    h("td", { class: "wide" }, tags(Object.entries(optimizer.aliases).map(([alias, number]) => `${alias} → ${number}`))),
    h("td", {}, when(optimizer.latest.created_at)),
  ));
  content.append(table("Optimizers, by name", ["Name", "Latest version#", "Aliases", "Made"], rows,
    "No optimizer yet: a meta-training job that succeeds makes a version."));
}

export async function optimizerPage(content, { holder, signal, id: name }) {
  const path = `/v1/optimizers/${encodeURIComponent(name)}`;
  content.append(h("p", { class: "crumb" }, h("a", { href: "#/optimizers" }, "Optimizers")), h("div", { class: "head" }, h("h1", {}, name)));
  const [versions, aliases] = await Promise.all([all(`${path}/versions?limit=200`, signal), get(`${path}/aliases`, { signal })]);
  const example = `import hyperadam\noptimizer = hyperadam.HyperAdam(model.parameters(), theta=hyperadam.pull("${name}@latest"))`;
  content.append(
    table("Versions, newest first", ["Version#", "Aliases", "Validation loss#", "Notes", "Made", "By", "Size#", "SHA-256", "Actions"],
      versions.map((version) => versionRow(path, version, holder)), "No versions."),
    h("h2", {}, "Use it"), h("pre", { class: "card", tabindex: "0" }, example),
    h("h2", {}, "History of aliases"),
    table("Moves of aliases, newest first", ["Alias", "Move", "When", "Who", "Why"], aliases.history.reverse().map(changeRow), "No alias was ever set."),
  );
}

function versionRow(path, version, holder) {
  const save = async () => {
    download(await blob(`${path}/versions/${version.number}/weights`), `${version.optimizer}-${version.number}.safetensors`);
  };
  const evaluate = async () => {
    const spec = { optimizers: [`${version.optimizer}@${version.number}`] };
    const name = `${version.optimizer}@${version.number} against tuned baselines`;
    const job = await post("/v1/jobs", { kind: "evaluation", name, spec }, { "Idempotency-Key": freshKey() });
    notify("Submitted.");
    location.hash = `#/jobs/${job.id}`;
  };
  const maker = version.job_id ? h("a", { href: `#/jobs/${version.job_id}` }, "job") : version.tags.uploaded_by ? `upload by ${version.tags.uploaded_by}` : "–";
  return h("tr", {},
    h("td", { class: "number" }, version.number),
    h("td", {}, tags(version.aliases)),
    h("td", { class: "number" }, version.metrics.validation_loss?.toPrecision(4) ?? "–"),
    h("td", { class: "wide" }, version.description, " ", tags(Object.entries(version.tags).map(([name, value]) => `${name}: ${value}`))),
    h("td", {}, when(version.created_at)),
    h("td", {}, maker),
    h("td", { class: "number" }, bytes(version.size_bytes)),
    h("td", { class: "mono", title: version.sha256 }, version.sha256.slice(0, 12)),
    h("td", {}, h("div", { class: "actions" }, action("Download", save), holder.scopes.includes("submit") && action("Evaluate", evaluate))),
  );
}

function changeRow(change) {
  return h("tr", {},
    h("td", {}, change.alias),
    h("td", {}, `${change.old_version ?? "none"} → ${change.new_version ?? "none"}${change.protected ? ", protected" : ""}`),
    h("td", {}, when(change.changed_at)),
    h("td", {}, change.actor),
    h("td", { class: "wide" }, change.reason || "–"),
  );
}

const tags = (texts) => texts.map((text) => [h("span", { class: "tag" }, text), " "]);
