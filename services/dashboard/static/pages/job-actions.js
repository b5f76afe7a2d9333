// What can be done with a job in its state, by who may: pause, resume, stop, cancel, retry, clone,
// edit, delete.

import { patch, post, remove } from "../lib/api.js";
import { capitalize } from "../lib/format.js";
import { go } from "../lib/router.js";
import { action, actions } from "../parts/action.js";
import { ask } from "../parts/dialog.js";
import { ENDED } from "../parts/marks.js";
import { notify } from "../parts/notice.js";

const TRIGGERS = {
  queued: ["pause", "cancel"],
  waiting: ["pause", "cancel"],
  starting: ["pause", "cancel"],
  running: ["pause", "cancel"],
  pausing: ["cancel"],
  paused: ["resume", "cancel"],
  expiring: ["cancel"],
  failed: ["retry"],
  cancelled: ["retry"],
};

export function jobActions(job, path, holder, onChange) {
  if (!holder.scopes.includes("submit")) return actions();
  const triggers = (TRIGGERS[job.state] ?? []).map((name) =>
    action(capitalize(name), async () => onChange(await post(`${path}/${name}`))));
  return actions(
    triggers,
    action("Clone with changes", () => {
      location.hash = `#/submit?clone=${encodeURIComponent(job.id)}`;
    }),
    action("Edit", () => edit(job, path, onChange)),
    ENDED.has(job.state) && action("Delete", () => askToDelete(job, path), "danger"),
  );
}

function edit(job, path, onChange) {
  const labels = Object.entries(job.labels).map(([name, value]) => `${name}:${value}`).join("\n");
  ask({
    title: "Edit the job",
    confirm: "Save",
    fields: [
      { name: "name", label: "Name", value: job.name ?? "", maxlength: 200 },
      { name: "labels", label: "Labels, one name:text a line", kind: "textarea", value: labels },
      { name: "priority", label: "Priority, -100 to 100: the highest starts first", kind: "number", value: job.priority },
    ],
    work: async (values) => {
      const changed = readLabels(values.labels);
      const gone = Object.keys(job.labels).filter((name) => !(name in changed));
      onChange(await patch(path, {
        name: values.name || null,
        priority: Number(values.priority || 0),
        labels: { ...changed, ...Object.fromEntries(gone.map((name) => [name, null])) },
      }));
      notify("Saved.");
    },
  });
}

export function readLabels(text) {
  const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
  return Object.fromEntries(lines.map((line) => {
    const [name, ...rest] = line.split(":");
    return [name.trim(), rest.join(":").trim()];
  }));
}

function askToDelete(job, path) {
  ask({
    title: "Delete the job?",
    text: "Its events, log, metrics and files go with it. Versions of Θ stay.",
    confirm: "Delete",
    isDangerous: true,
    work: async () => {
      await remove(path);
      notify("Deleted.");
      go("jobs");
    },
  });
}
