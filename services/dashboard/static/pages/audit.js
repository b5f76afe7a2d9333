// Who did what, newest first.

import { get } from "../lib/api.js";
import { add, h } from "../lib/dom.js";
import { when } from "../lib/format.js";
import { table } from "../parts/table.js";

export async function showAudit(box, signal) {
  const { items } = await get("v1/audit?limit=200", signal);
  add(box,
    h("p", { class: "help" }, "Submissions and actions of the newest jobs, moves of aliases, what became of versions, and keys."),
    table("Audit, newest first", [
      { title: "When", cell: (entry) => when(entry.time), value: (entry) => entry.time },
      { title: "Who", cell: (entry) => entry.actor ?? "–", value: (entry) => entry.actor },
      { title: "Did", cell: (entry) => entry.action, value: (entry) => entry.action },
      { title: "To", isWide: true, cell: (entry) => entry.subject, value: (entry) => entry.subject },
      { title: "Why", isWide: true, cell: (entry) => entry.reason || "–" },
    ], items, "Nothing was done yet."));
}
