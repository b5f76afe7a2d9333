// Datasets that specs may name: the built-in ones, and those that people register and delete.

import { all, put, remove, withQuery } from "../lib/api.js";
import { add, h } from "../lib/dom.js";
import { bytes, plain, when } from "../lib/format.js";
import { poll } from "../lib/poll.js";
import { action } from "../parts/action.js";
import { ask } from "../parts/dialog.js";
import { head } from "../parts/marks.js";
import { notify } from "../parts/notice.js";
import { Table } from "../parts/table.js";

const REFRESH_MS = 15_000;

export function datasetsPage(content, { holder, signal }) {
  const maySubmit = holder.scopes.includes("submit");
  const list = new Table({
    caption: "Datasets",
    empty: "No datasets.",
    key: (dataset) => dataset.name,
    columns: [
      { title: "Name", isWide: true, cell: showName, value: (dataset) => dataset.name },
      { title: "There", cell: showAvailable },
      { title: "An example", cell: ({ shape }) => shape.join(" × ") },
      { title: "Targets", cell: ({ n_classes, targets }) => `${n_classes} ${targets === "labels" ? "classes" : "numbers"}` },
      { title: "Examples", isNumber: true, cell: showExamples, value: ({ n_examples }) => n_examples.train },
      { title: "File", isNumber: true, cell: ({ registered }) => (registered ? bytes(registered.n_bytes) : "–"), value: ({ registered }) => registered?.n_bytes },
      { title: "Owner", cell: ({ registered }) => registered?.owner ?? "built in", value: ({ registered }) => registered?.owner ?? "" },
      { title: "Last used", cell: ({ registered }) => when(registered?.used_at), value: ({ registered }) => registered?.used_at },
      { title: "Actions", cell: (dataset) => mayDelete(dataset, holder) && action("Delete", () => askToDelete(dataset, refresh), "danger") },
    ],
  });
  async function refresh() {
    list.show(await all("v1/datasets", signal));
  }
  add(content, head("Datasets"),
    h("p", { class: "help" }, "What learners are trained on. A registered dataset never changes: jobs name it, and their versions keep its digest."),
    maySubmit && h("p", {}, action("Register a dataset", () => askForFile(refresh), "main")),
    list.element);
  return poll(refresh, REFRESH_MS, signal);
}

const showName = ({ name, title }) =>
  h("div", {}, h("span", { class: "mono" }, name), title && h("p", { class: "help" }, title));

const showAvailable = ({ available, how_to_get }) =>
  h("span", { title: how_to_get }, available === null ? "not known" : available ? "yes" : "no");

const showExamples = ({ n_examples }) =>
  Object.entries(n_examples).map(([split, count]) => `${plain(count)} ${split}`).join(", ");

const mayDelete = ({ registered }, holder) =>
  registered && (holder.scopes.includes("admin") || (holder.scopes.includes("submit") && registered.owner === holder.name));

function askForFile(refresh) {
  ask({
    title: "Register a dataset",
    text: "An npz or safetensors file with the arrays inputs and targets, and test_inputs and test_targets if there is a test split.",
    confirm: "Register",
    fields: [
      { name: "name", label: "Name", required: true, maxlength: 64, help: "What specs call it: a–z, 0–9, '.', '_' and '-'." },
      { name: "title", label: "What it is", maxlength: 200 },
      { name: "file", label: "File", kind: "file", required: true, accept: ".npz,.safetensors" },
    ],
    work: async ({ name, title, file }) => {
      await put(withQuery(`v1/datasets/${encodeURIComponent(name)}`, { title }), file);
      notify("Registered.");
      await refresh();
    },
  });
}

function askToDelete(dataset, refresh) {
  ask({
    title: `Delete the dataset ${dataset.name}?`,
    text: "Its file is gone for good. Versions that were trained on it keep its digest.",
    confirm: "Delete",
    isDangerous: true,
    work: async () => {
      await remove(`v1/datasets/${encodeURIComponent(dataset.name)}`);
      notify("Deleted.");
      await refresh();
    },
  });
}
