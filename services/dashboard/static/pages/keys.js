// API keys: made, shown once, revoked.

import { all, post, remove } from "../lib/api.js";
import { add, h, replace } from "../lib/dom.js";
import { when } from "../lib/format.js";
import { action, actions } from "../parts/action.js";
import { ask } from "../parts/dialog.js";
import { snippet, tags } from "../parts/marks.js";
import { notify } from "../parts/notice.js";
import { Table } from "../parts/table.js";

const SCOPES = [["read", "read: see everything"], ["submit", "submit: jobs, too"], ["admin", "admin: aliases and keys, too"]];

export async function showKeys(box, signal) {
  const shown = h("div");
  const list = new Table({
    caption: "API keys",
    empty: "No keys.",
    key: (key) => key.id,
    columns: [
      { title: "Name", isWide: true, cell: (key) => key.name, value: (key) => key.name },
      { title: "Key", cell: (key) => h("span", { class: "mono" }, `${key.prefix}…`) },
      { title: "Scopes", cell: (key) => tags(key.scopes) },
      { title: "Project", cell: (key) => key.project, value: (key) => key.project },
      { title: "Made", cell: (key) => when(key.created_at), value: (key) => key.created_at },
      { title: "Last used", cell: (key) => when(key.last_used_at), value: (key) => key.last_used_at },
      { title: "Expires", cell: (key) => when(key.expires_at), value: (key) => key.expires_at },
      { title: "Revoked", cell: (key) => when(key.revoked_at), value: (key) => key.revoked_at },
      { title: "Actions", cell: (key) => !key.revoked_at && action("Revoke", () => revoke(key, refresh), "danger") },
    ],
  });
  async function refresh() {
    list.show(await all("v1/keys?limit=200", signal));
  }
  add(box, actions(action("Make a key", () => make(shown, refresh))), shown, list.element);
  await refresh();
}

function make(shown, refresh) {
  ask({
    title: "Make an API key",
    confirm: "Make",
    fields: [
      { name: "name", label: "Whose key it is", required: true, maxlength: 200 },
      { name: "scope", label: "What it may do", kind: "select", value: "submit", options: SCOPES },
      { name: "project", label: "Its project", value: "default" },
      { name: "days", label: "Days until it expires; empty: never", kind: "number" },
    ],
    work: async ({ name, scope, project, days }) => {
      const expires_at = days ? new Date(Date.now() + 86_400_000 * Number(days)).toISOString() : null;
      const { key } = await post("v1/keys", { name, scopes: [scope], expires_at, project: project || "default" });
      replace(shown, h("p", {}, "This is the key. It is shown this once:"), snippet("the new key", key));
      await refresh();
    },
  });
}

function revoke(key, refresh) {
  ask({
    title: `Revoke the key of ${key.name}?`,
    text: "It is worth nothing within seconds, with its sessions and its queued jobs.",
    confirm: "Revoke",
    isDangerous: true,
    work: async () => {
      await remove(`v1/keys/${key.id}`);
      notify("Revoked.");
      await refresh();
    },
  });
}
