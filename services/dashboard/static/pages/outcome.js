// What a dry run says: whether the job would be taken, what it costs, and why it would be refused.

import { add, h, replace } from "../lib/dom.js";
import { bytes, duration } from "../lib/format.js";
import { facts, fold } from "../parts/marks.js";

export function showOutcome(box, answer, otherErrors) {
  const { accepted, cost, notes, errors, spec } = answer;
  const verdict = accepted ? "It would be taken." : `It would be refused: ${errors.length} ${errors.length === 1 ? "field is" : "fields are"} wrong.`;
  replace(box,
    h("h2", {}, "Dry run"),
    h("p", { role: "status", class: accepted ? "good" : "bad" }, verdict),
    otherErrors.map(({ field, message }) => h("p", { class: "bad" }, `${field}: ${message}`)),
    notes.map((text) => h("p", {}, text)),
    cost && facts({
      "About": duration(cost.seconds),
      Updates: cost.n_updates || null,
      "Learner-steps": cost.n_learner_steps.toLocaleString(),
      "Core time": duration(cost.core_seconds),
      "Cores it can use": cost.n_parallel,
      "Memory of a process": bytes(cost.memory_bytes),
    }),
    cost && h("p", { class: "help" }, "Estimates from the spec alone, within a factor of about three."),
    spec && fold("The complete spec", (body) => add(body, h("pre", { tabindex: "0", role: "region", "aria-label": "The complete spec" }, JSON.stringify(spec, null, 2)))));
}
