// The list of jobs, refreshed every few seconds, and the button that submits a quick one.

import { freshKey, get, post } from "/dashboard/api.js";
import { action, duration, h, notify, state, table, when } from "/dashboard/dom.js";

const REFRESH_MS = 3000;
const ENDED = new Set(["succeeded", "failed", "cancelled"]);

export function jobsPage(content, { holder, signal }) {
  const list = h("div", { "aria-busy": "true" });
  const more = h("div", { class: "actions" });
  const maySubmit = holder.scopes.includes("submit");
  const submit = maySubmit && action("Submit a quick job", submitQuick, "main");
  const actions = h("div", { class: "actions" }, submit);
  content.append(h("div", { class: "head" }, h("h1", {}, "Jobs"), actions), list, more);
  let limit = 50;

  async function refresh() {
    const answer = await get(`/v1/jobs?limit=${limit}`, { signal });
    list.replaceChildren(
      table(
        "Jobs, newest first",
        ["Job", "State", "Progress", "ETA", "Kind", "Submitted"],
        answer.items.map(row),
        "No jobs yet. Submit one here, or with the command: hyperadam jobs submit",
      ),
    );
    list.removeAttribute("aria-busy");

    const hasMore = answer.next_cursor && limit < 200;
    more.replaceChildren(...(hasMore ? [action("Show more", showMore)] : []));
  }

  async function showMore() {
    limit = 200;
    await refresh();
  }

  async function loop() {
    while (!signal.aborted) {
      try {
        if (!document.hidden && !list.contains(document.activeElement)) await refresh();
      } catch (error) {
        const notice = h("div", { class: "card empty bad" }, error.message);
        if (!signal.aborted) list.replaceChildren(notice);
      }
      await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
    }
  }

  return loop();
}

async function submitQuick() {
  const body = {
    kind: "meta-training",
    name: "quick, from the dashboard",
    spec: { preset: "quick" },
  };
  const job = await post("/v1/jobs", body, { "Idempotency-Key": freshKey() });
  notify("Submitted.");
  location.hash = `#/jobs/${job.id}`;
}

function row(job) {
  const link = h("a", { href: `#/jobs/${job.id}` }, job.name || job.id);
  const id = h("span", { class: "sub mono" }, job.name ? job.id : "");
  const place = `number ${job.queue_position} in the queue`;
  return h("tr", {},
    h("td", { class: "wide" }, link, id),
    h("td", {}, state(job.state), job.queue_position && h("span", { class: "sub" }, place)),
    h("td", {}, progress(job)),
    h("td", {}, ENDED.has(job.state) ? "–" : duration(job.eta_seconds)),
    h("td", {}, job.kind),
    h("td", {}, when(job.created_at), h("span", { class: "sub" }, `by ${job.actor}`)),
  );
}

export function progress(job) {
  const percent = `${Math.floor(100 * job.progress)} %`;
  const label = `Progress of ${job.name || job.id}`;
  return [h("progress", { max: 1, value: job.progress, "aria-label": label }, percent), percent];
}
