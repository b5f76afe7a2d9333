// One optimizer: its versions, how they descend from each other, its aliases and their history.

import { all, get, optimizerPath, remove, withQuery } from "../lib/api.js";
import { add, h } from "../lib/dom.js";
import { number, when } from "../lib/format.js";
import { address, note, read } from "../lib/router.js";
import { action, actions } from "../parts/action.js";
import { ask } from "../parts/dialog.js";
import { lineageGraph } from "../parts/lineage.js";
import { crumb, fold, head, tag, tags, toggle, versionLink } from "../parts/marks.js";
import { notify } from "../parts/notice.js";
import { table } from "../parts/table.js";
import { showUse } from "./use.js";

const MOST_PAGES = 50;

export async function optimizerPage(content, { holder, signal, id: name, reload }) {
  const path = optimizerPath(name);
  const archived = read().query.get("archived") === "true";
  const [versions, aliases, moves, history] = await Promise.all([
    all(withQuery(`${path}/versions`, { limit: 200, archived }), signal),
    get(`${path}/aliases`, signal),
    all(`${path}/aliases?limit=200`, signal, MOST_PAGES, "history"),
    all(`${path}/history?limit=200`, signal, MOST_PAGES),
  ]);
  const showArchived = toggle("Show archived", archived, (isOn) => {
    note({ archived: isOn ? "true" : null });
    reload();
  });
  add(content,
    crumb("Optimizers", "optimizers"),
    head(name, actions(showArchived)),
    table("Versions, newest first", makeColumns(versions), versions, "No versions."),
    compareForm(name, versions),
    h("h2", {}, "Lineage"),
    versions.length ? lineageGraph(versions) : h("p", {}, "No versions."),
    h("h2", {}, "Aliases"),
    aliasTable(path, aliases.items, holder, reload),
    showUse(name, versions[0]),
    fold("History of aliases", (box) => add(box, aliasHistory(moves))),
    fold("Archived and deleted versions", (box) => add(box, removals(history))),
  );
}

// Of the metrics, validation and the suites that any version has.
function makeColumns(versions) {
  const metrics = [...new Set(versions.flatMap((version) => Object.keys(version.metrics)))];
  const shown = metrics.filter((metric) => metric === "validation_loss" || metric.includes("/")).slice(0, 6);
  return [
    { title: "Version", isWide: true, cell: (version) => [versionLink(version.optimizer, version.number), version.archived && " (archived)", version.damage && h("span", { class: "bad sub" }, version.damage)], value: (version) => version.number },
    { title: "Aliases", cell: (version) => tags(version.aliases) },
    ...shown.map((metric) => ({ title: metric.replace("_", " "), isNumber: true, cell: (version) => number(version.metrics[metric]), value: (version) => version.metrics[metric] })),
    { title: "Evaluations", isNumber: true, cell: (version) => version.evaluations.length, value: (version) => version.evaluations.length },
    { title: "Notes", isWide: true, cell: (version) => [version.description, " ", tags(Object.entries(version.tags).map(([key, value]) => `${key}: ${value}`))] },
    { title: "Made", cell: (version) => when(version.created_at), value: (version) => version.created_at },
  ];
}

function compareForm(name, versions) {
  if (versions.length < 2) return false;
  const options = (chosen) => versions.map(({ number: entry }) => h("option", { value: entry, selected: entry === chosen }, `${name}@${entry}`));
  const left = h("select", { "aria-label": "The one" }, options(versions[0].number));
  const right = h("select", { "aria-label": "The other" }, options(versions[1].number));
  return h("div", { class: "filters" }, left, right, action("Compare", () => {
    location.hash = `${address("optimizers", name, "versions", left.value)}?to=${encodeURIComponent(`${name}@${right.value}`)}`;
  }));
}

function aliasTable(path, aliases, holder, reload) {
  const columns = [
    { title: "Alias", cell: ({ alias }) => tag(alias) },
    { title: "Version", isNumber: true, cell: ({ version }) => version },
    { title: "Protected", cell: ({ protected: isProtected }) => (isProtected ? "yes: promotions alone move it" : "no") },
  ];
  if (holder.scopes.includes("admin")) {
    columns.push({ title: "Actions", cell: ({ alias }) => action("Remove", () => removeAlias(path, alias, reload)) });
  }
  return table("Aliases", columns, aliases, "No alias is set. Promote a version on its page.");
}

function removeAlias(path, alias, reload) {
  ask({
    title: `Remove the alias ${alias}?`,
    text: "Its history stays.",
    confirm: "Remove",
    isDangerous: true,
    fields: [{ name: "reason", label: "Reason", required: true }],
    work: async ({ reason }) => {
      await remove(withQuery(`${path}/aliases/${encodeURIComponent(alias)}`, { reason }));
      notify("Removed.");
      reload();
    },
  });
}

const aliasHistory = (changes) => table("Moves of aliases, newest first", [
  { title: "Alias", cell: ({ alias }) => alias },
  { title: "Move", cell: (change) => `${change.old_version ?? "none"} → ${change.new_version ?? "none"}${change.protected ? ", protected" : ""}` },
  { title: "When", cell: ({ changed_at }) => when(changed_at) },
  { title: "Who", cell: ({ actor }) => actor },
  { title: "Why", isWide: true, cell: ({ reason }) => reason || "–" },
], [...changes].reverse(), "No alias was ever set.");

const removals = (changes) => table("What became of versions, newest first", [
  { title: "Version", isNumber: true, cell: (change) => change.number },
  { title: "What", cell: (change) => change.action },
  { title: "When", cell: ({ changed_at }) => when(changed_at) },
  { title: "Who", cell: ({ actor }) => actor },
  { title: "Why", isWide: true, cell: ({ reason }) => reason || "–" },
], [...changes].reverse(), "Nothing was archived or deleted.");
