// Submit a job: a form made of the schema, with presets; beside it what would become of the job.

import { get, jobPath, post } from "../lib/api.js";
import { add, freshId, h, replace } from "../lib/dom.js";
import { makePatch, set } from "../lib/paths.js";
import { debounce } from "../lib/poll.js";
import { go, note, read } from "../lib/router.js";
import { Schemas } from "../lib/schema.js";
import { choice, head } from "../parts/marks.js";
import { explain, notify } from "../parts/notice.js";
import { SpecForm } from "../parts/spec-form.js";
import { readLabels } from "./job-actions.js";
import { showOutcome } from "./outcome.js";
import { listReferences } from "./references.js";

const MODELS = { "meta-training": "MetaTrainingSpec", evaluation: "EvaluationSpec", study: "StudySpec" };
const FIRST_PRESETS = { "meta-training": "quick", study: "rates" };

export async function submitPage(content, { holder, signal, reload }) {
  if (!holder.scopes.includes("submit")) {
    add(content, head("Submit"), h("p", { class: "card" }, "This key may read, but not submit."));
    return;
  }
  const { query } = read();
  const original = query.get("clone") && (await get(jobPath(query.get("clone")), signal));
  const kind = original?.kind ?? (MODELS[query.get("kind")] ? query.get("kind") : "meta-training");
  const [document, presets, references, datasets] = await Promise.all([
    get("openapi.json", signal),
    get("v1/presets", signal),
    listReferences(signal),
    get("v1/datasets", signal),
  ]);
  const own = presets.items.filter((preset) => preset.kind === kind);
  const page = new SubmitPage({ kind, original, presets: own, schemas: new Schemas(document), references, datasets: datasets.items.map(({ name }) => name), query, signal });
  const title = original ? `Clone ${original.name || original.id}` : "Submit a job";
  const kinds = choice("Kind", Object.keys(MODELS), kind, (value) => {
    note({ kind: value, preset: null });
    reload();
  });
  add(content, head(title), h("div", { class: "filters" }, !original && kinds, page.presetChoice()), page.element);
  page.check();
}

class SubmitPage {
  constructor({ kind, original, presets, schemas, references, datasets, query, signal }) {
    Object.assign(this, { kind, original, presets, signal });
    this.preset = original ? null : query.get("preset") ?? FIRST_PRESETS[kind] ?? null;
    this.check = debounce(() => this.runDry(), 400);
    const changes = {};
    if (query.get("optimizer")) set(changes, ["optimizers"], [query.get("optimizer")]);
    if (query.get("parent")) set(changes, ["parent"], query.get("parent"));
    if (kind === "evaluation" && !original) set(changes, ["quick"], true);
    this.form = new SpecForm({
      schemas,
      name: MODELS[kind],
      base: this.findBase(),
      changes,
      suggestions: { optimizers: references, parent: references, datasets },
      onChange: this.check,
    });
    this.outcome = h("aside", { class: "card outcome", "aria-label": "What would become of the job" });
    this.failure = h("p", { class: "bad", role: "alert" });
    this.element = this.makeElement();
  }

  findBase() {
    if (this.original) return this.original.spec;
    return this.presets.find(({ name }) => name === this.preset)?.spec ?? {};
  }

  presetChoice() {
    if (this.original || !this.presets.length) return false;
    const purpose = h("p", { class: "help", role: "status" });
    const tell = () => {
      purpose.textContent = this.presets.find(({ name }) => name === this.preset)?.purpose ?? "";
    };
    tell();
    const control = choice("Begin with the preset", this.presets.map(({ name }) => name), this.preset, (name) => {
      this.preset = name;
      note({ preset: name });
      this.form.setBase(this.findBase());
      tell();
      this.check();
    });
    return [control, purpose];
  }

  makeElement() {
    const { original } = this;
    this.nameField = textField("Name", original?.name ?? "", "For people.");
    this.labelField = textField("Labels", labelsOf(original), "name:text, separated by commas.");
    this.priorityField = textField("Priority", String(original?.priority ?? 0), "-100 to 100: the highest starts first.");
    const submit = h("button", { class: "main" }, original ? "Submit the clone" : "Submit");
    const form = h("form", { novalidate: true, class: "submit" },
      h("div", { class: "submit-main" },
        h("div", { class: "card" }, h("h2", {}, "The job"), h("div", { class: "fields" }, this.nameField.element, this.labelField.element, this.priorityField.element)),
        h("div", { class: "card" }, h("h2", {}, "The spec"), this.form.element)),
      h("div", { class: "submit-side" }, this.outcome, this.failure, h("div", { class: "actions" }, submit)));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      submit.disabled = true;
      await this.submit().finally(() => {
        submit.disabled = false;
      });
    });
    for (const field of [this.nameField, this.labelField, this.priorityField]) field.input.addEventListener("input", this.check);
    return form;
  }

  head() {
    const labels = readLabels(this.labelField.input.value.split(",").join("\n"));
    return { name: this.nameField.input.value.trim() || null, labels, priority: Number(this.priorityField.input.value || 0) };
  }

  body() {
    const spec = this.original ? this.form.value : { ...(this.preset && { preset: this.preset }), ...this.form.changes };
    return { kind: this.kind, ...this.head(), spec };
  }

  async runDry() {
    try {
      const answer = await post("v1/jobs?dry_run=true", this.body());
      const rest = this.form.showErrors(answer.errors);
      showOutcome(this.outcome, answer, rest);
      replace(this.failure);
    } catch (error) {
      if (!this.signal.aborted) replace(this.failure, explain({ ...error, message: error.message, errors: this.form.showErrors(error.errors ?? []) }));
    }
  }

  async submit() {
    try {
      const job = this.original ? await this.clone() : await post("v1/jobs", this.body());
      notify((job.notes ?? []).join(" ") || "Submitted.");
      go("jobs", job.id);
    } catch (error) {
      const rest = this.form.showErrors(error.errors ?? []);
      replace(this.failure, explain({ message: error.message, requestId: error.requestId, errors: rest }));
      this.form.focusFirstError();
    }
  }

  clone() {
    const spec = makePatch(this.original.spec, this.form.value);
    return post(`${jobPath(this.original.id)}/clone`, { ...this.head(), spec });
  }
}

function textField(label, value, help) {
  const id = freshId("job");
  const input = h("input", { id, value, autocomplete: "off", "aria-describedby": `${id}-help` });
  const element = h("div", { class: "field" }, h("label", { for: id }, label), input, h("p", { class: "help", id: `${id}-help` }, help));
  return { input, element };
}

const labelsOf = (job) => Object.entries(job?.labels ?? {}).map(([name, value]) => `${name}:${value}`).join(", ");
