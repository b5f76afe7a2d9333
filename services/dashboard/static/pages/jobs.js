// The list of jobs: filtered in the address, a page at a time, refreshed while it is in view.

import { get, withQuery } from "../lib/api.js";
import { add, freshId, h, replace } from "../lib/dom.js";
import { duration, when } from "../lib/format.js";
import { debounce, poll } from "../lib/poll.js";
import { note, read } from "../lib/router.js";
import { action } from "../parts/action.js";
import { choice, ENDED, head, jobLink, labels, progress, state, STATES } from "../parts/marks.js";
import { explain } from "../parts/notice.js";
import { Table } from "../parts/table.js";

const REFRESH_MS = 3000;
const PAGE = 100;
const KINDS = ["meta-training", "evaluation", "study"];
const TEXTS = {
  jobs: ["Jobs", "No job here. Submit one, or with the command: hyperadam jobs submit"],
  evaluations: ["Evaluations", "No evaluation yet. Submit one from a version's page."],
  studies: ["Studies", "No study yet. Submit one, or with the command: hyperadam study run rates"],
};

const COLUMNS = [
  { title: "Job", isWide: true, cell: nameCell, value: (job) => job.name || job.id },
  { title: "State", cell: stateCell, value: (job) => job.state },
  { title: "Progress", cell: progress, value: (job) => job.progress },
  { title: "Left", isNumber: true, cell: (job) => (ENDED.has(job.state) ? "–" : duration(job.eta_seconds)), value: (job) => job.eta_seconds },
  { title: "Kind", cell: (job) => job.kind, value: (job) => job.kind },
  { title: "Labels", isWide: true, cell: (job) => labels(job.labels) },
  { title: "Owner", cell: (job) => job.actor_full_name ?? job.actor, value: (job) => job.actor },
  { title: "Submitted", cell: (job) => when(job.created_at), value: (job) => job.created_at },
];

export function jobsPage(content, { holder, signal, section }) {
  const [title, empty] = TEXTS[section];
  const kind = { evaluations: "evaluation", studies: "study" }[section];
  const list = new Table({ caption: `${title}, newest first`, columns: COLUMNS, empty, key: (job) => job.id });
  const failure = h("p", { class: "bad", role: "alert" });
  const pager = h("div", { class: "pager" });
  const cursors = [null];
  const submit = holder.scopes.includes("submit")
    && h("a", { class: "button main", href: `#/submit?kind=${kind ?? "meta-training"}` }, "Submit");

  async function refresh() {
    try {
      const answer = await get(withQuery("v1/jobs", query(cursors.at(-1))), signal);
      list.show(answer.items);
      replace(failure);
      showPager(answer.next_cursor);
    } catch (error) {
      if (!signal.aborted) replace(failure, explain(error));
    }
  }

  function query(cursor) {
    const values = read().query;
    const fields = ["state", "label", "actor", "name"].map((name) => [name, values.get(name)]);
    return { ...Object.fromEntries(fields), kind: kind ?? values.get("kind"), limit: PAGE, cursor };
  }

  function showPager(next) {
    const turn = (change) => async () => {
      change();
      await refresh();
    };
    const newer = cursors.length > 1 && action("Newer", turn(() => cursors.pop()));
    const older = next && action("Older", turn(() => cursors.push(next)));
    replace(pager, newer, (newer || older) && h("span", {}, `page ${cursors.length}`), older);
  }

  const refreshSoon = debounce(refresh);
  const filter = (name, value) => {
    note({ [name]: value });
    cursors.length = 1;
    refreshSoon();
  };
  add(content,
    head(title, h("div", { class: "actions" }, submit)),
    makeFilters(filter, kind),
    failure,
    list.element,
    pager,
  );
  return poll(refresh, REFRESH_MS, signal);
}

function makeFilters(filter, kind) {
  const { query } = read();
  const any = (names) => [["", "any"], ...names.map((name) => [name, name])];
  return h("form", { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
    !kind && choice("Kind", any(KINDS), query.get("kind") ?? "", (value) => filter("kind", value)),
    choice("State", any(STATES), query.get("state") ?? "", (value) => filter("state", value)),
    searchField("Name contains", "name", query, filter),
    searchField("Owner", "actor", query, filter),
    searchField("Label (name:text)", "label", query, filter),
  );
}

function searchField(label, name, query, filter) {
  const id = freshId(name);
  const input = h("input", { id, type: "search", value: query.get(name) ?? "", autocomplete: "off" });
  input.addEventListener("input", () => filter(name, input.value.trim()));
  return h("div", { class: "choice" }, h("label", { for: id }, label), input);
}

function nameCell(job) {
  return [jobLink(job.id, job.name || job.id), job.name && h("span", { class: "sub mono" }, job.id)];
}

function stateCell(job) {
  const place = job.queue_position && `number ${job.queue_position} in the queue`;
  const why = job.waiting_reason || place || job.error?.type;
  return [state(job.state), why && h("span", { class: "sub" }, why)];
}
