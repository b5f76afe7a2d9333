// The list of jobs, refreshed every few seconds, and the button that submits a quick one.

import { freshKey, get, post } from "/dashboard/api.js";
import { action, duration, h, notify, state, table, when } from "/dashboard/dom.js";

const REFRESH_MS = 3000;
const ENDED = new Set(["succeeded", "failed", "cancelled"]);

export function jobsPage(content, { holder, signal }) {
  const list = h("div", { "aria-busy": "true" });
  const more = h("div", { class: "actions" });
  const submit = holder.scopes.includes("submit") && action("Submit a quick job", submitQuick, "main");
  content.append(h("div", { class: "head" }, h("h1", {}, "Jobs"), h("div", { class: "actions" }, submit)), list, more);
  let limit = 50;

  async function refresh() {
    const answer = await get(`/v1/jobs?limit=${limit}`, { signal });
    list.replaceChildren(
      table("Jobs, newest first", ["Job", "State", "Progress", "ETA", "Kind", "Submitted"], answer.items.map(row),
        "No jobs yet. Submit one here, or with the command: hyperadam jobs submit"),
    );
    list.removeAttribute("aria-busy");
    const button = answer.next_cursor && limit < 200 && action("Show more", async () => { limit = 200; await refresh(); });
    more.replaceChildren(...(button ? [button] : []));
  }

  async function loop() {
    while (!signal.aborted) {
      try {
        if (!document.hidden && !list.contains(document.activeElement)) await refresh();
      } catch (error) {
        if (!signal.aborted) list.replaceChildren(h("div", { class: "card empty bad" }, error.message));
      }
      await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
    }
  }

  return loop();
}

async function submitQuick() {
  const body = { kind: "meta-training", name: "quick, from the dashboard", spec: { preset: "quick" } };
  const job = await post("/v1/jobs", body, { "Idempotency-Key": freshKey() });
  notify("Submitted.");
  location.hash = `#/jobs/${job.id}`;
}

function row(job) {
  return h("tr", {},
    h("td", { class: "wide" }, h("a", { href: `#/jobs/${job.id}` }, job.name || job.id), h("span", { class: "sub mono" }, job.name ? job.id : "")),
    h("td", {}, state(job.state), job.queue_position && h("span", { class: "sub" }, `number ${job.queue_position} in the queue`)),
    h("td", {}, progress(job)),
    h("td", {}, ENDED.has(job.state) ? "–" : duration(job.eta_seconds)),
    h("td", {}, job.kind),
    h("td", {}, when(job.created_at), h("span", { class: "sub" }, `by ${job.actor}`)),
  );
}

export function progress(job) {
  const percent = `${Math.floor(100 * job.progress)} %`;
  return [h("progress", { max: 1, value: job.progress, "aria-label": `Progress of ${job.name || job.id}` }, percent), percent];
}
