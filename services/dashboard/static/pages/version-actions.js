// What may be done with a version: evaluate, promote, describe, archive. Scopes decide what is shown.

import { optimizerPath, patch, post, put } from "../lib/api.js";
import { action } from "../parts/action.js";
import { ask } from "../parts/dialog.js";
import { notify } from "../parts/notice.js";
import { readLabels } from "./job-actions.js";

export function versionActions(version, holder, reload) {
  const path = `${optimizerPath(version.optimizer)}/versions/${version.number}`;
  const reference = `${version.optimizer}@${version.number}`;
  const maySubmit = holder.scopes.includes("submit");
  const isAdmin = holder.scopes.includes("admin");
  return [
    maySubmit && action("Evaluate", () => {
      location.hash = `#/submit?kind=evaluation&optimizer=${encodeURIComponent(reference)}`;
    }),
    maySubmit && action("Train on from it", () => {
      location.hash = `#/submit?kind=meta-training&parent=${encodeURIComponent(reference)}`;
    }),
    maySubmit && action("Describe", () => describe(version, path, reload)),
    isAdmin && action("Promote", () => promote(version, reload)),
    isAdmin && action(version.archived ? "Restore" : "Archive", () => archive(version, path, reload)),
  ];
}

function describe(version, path, reload) {
  const tags = Object.entries(version.tags).map(([name, value]) => `${name}:${value}`).join("\n");
  ask({
    title: `Describe ${version.optimizer}@${version.number}`,
    confirm: "Save",
    fields: [
      { name: "description", label: "Description", kind: "textarea", value: version.description },
      { name: "tags", label: "Tags, one name:value a line", kind: "textarea", value: tags },
    ],
    work: async (values) => {
      const changed = readLabels(values.tags);
      const gone = Object.keys(version.tags).filter((name) => !(name in changed));
      const changes = Object.entries(changed).filter(([name, value]) => version.tags[name] !== value);
      await patch(path, {
        description: values.description,
        tags: { ...Object.fromEntries(changes), ...Object.fromEntries(gone.map((name) => [name, null])) },
      });
      notify("Saved.");
      reload();
    },
  });
}

function promote(version, reload) {
  ask({
    title: `Promote ${version.optimizer}@${version.number}`,
    text: "Scripts that pull the alias get this version from now on. Who did it and why is kept.",
    confirm: "Promote",
    fields: [
      { name: "alias", label: "Alias", kind: "list", value: "champion", options: ["champion", "challenger", "stable"], required: true },
      { name: "reason", label: "Reason", kind: "textarea", required: true },
      { name: "protected", label: "Protect it: from now on only promotion rules move it", kind: "checkbox" },
    ],
    work: async ({ alias, reason, protected: isProtected }) => {
      const path = `${optimizerPath(version.optimizer)}/aliases/${encodeURIComponent(alias)}`;
      await put(path, { version: version.number, reason, protected: isProtected || null });
      notify(`${alias} is ${version.optimizer}@${version.number} now.`);
      reload();
    },
  });
}

function archive(version, path, reload) {
  const word = version.archived ? "restore" : "archive";
  ask({
    title: `${version.archived ? "Restore" : "Archive"} ${version.optimizer}@${version.number}?`,
    text: "An archived version is in no list and never latest. Whoever names it has it.",
    confirm: version.archived ? "Restore" : "Archive",
    fields: [{ name: "reason", label: "Reason", required: true }],
    work: async ({ reason }) => {
      await post(`${path}/${word}`, { reason });
      notify(`${version.optimizer}@${version.number} is ${word}d.`);
      reload();
    },
  });
}
