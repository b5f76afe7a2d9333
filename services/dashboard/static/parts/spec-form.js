// A form made of a spec's schema. It holds a base (a preset, or the spec of a job) and what a person
// changed; sections are filled when they are opened, and open where an error lies in them.

import { freshId, h, replace } from "../lib/dom.js";
import { find, isObject, overlay, set, unset } from "../lib/paths.js";
import { hasControl, makeControl } from "./fields.js";

export class SpecForm {
  constructor({ schemas, name, base, changes = {}, suggestions = {}, onChange }) {
    Object.assign(this, { schemas, base, changes, suggestions, onChange });
    this.messages = new Map();
    this.element = h("div", { class: "spec-form" });
    this.name = name;
    this.draw();
  }

  get value() {
    return overlay(this.base, this.changes);
  }

  setBase(base) {
    this.base = base;
    this.draw();
  }

  draw() {
    this.messages.clear();
    replace(this.element, this.makeFields(this.schemas.get(this.name), []));
  }

  // Plain fields first, side by side; objects below, folded.
  makeFields(schema, path) {
    const fields = Object.entries(schema.properties ?? {})
      .filter(([name]) => name !== "preset")
      .map(([name, part]) => ({ path: [...path, name], ...this.schemas.describe(part) }));
    const plain = fields.filter(({ shape }) => hasControl(shape)).sort((a, b) => isRare(a) - isRare(b));
    const folded = fields.filter(({ shape }) => shape === "object" || shape === "kinds");
    return [
      h("div", { class: "fields" }, plain.map((field) => this.makeField(field))),
      folded.map((field) => this.makeSection(field)),
    ];
  }

  makeField(field) {
    const { path, description, hint, shape } = field;
    const name = path.at(-1);
    const id = freshId("spec");
    const message = h("p", { class: "bad", id: `${id}-error` });
    const attributes = { id, "data-path": path.join("."), "aria-describedby": `${id}-help ${id}-error` };
    const suggested = namesDatasets(field.schema) ? this.suggestions.datasets : this.suggestions[path.join(".")];
    if (suggested) attributes.list = `${id}-list`;
    const isGroup = shape === "choices";
    if (isGroup) attributes["aria-labelledby"] = `${id}-label`;
    const value = find(this.value, path);
    const reset = h("button", { type: "button", class: "quiet", hidden: find(this.changes, path) === undefined, "aria-label": `Reset ${name}` }, "reset");
    const control = makeControl(field, attributes, value, (changed) => {
      this.change(path, changed);
      reset.hidden = false;
    });
    const box = h("div", { class: `field of-${shape}` });
    reset.addEventListener("click", () => {
      unset(this.changes, path);
      box.replaceWith(this.makeField(field));
      this.onChange();
    });
    this.messages.set(path.join("."), { message, control });
    const label = h(isGroup ? "span" : "label", isGroup ? { id: `${id}-label`, class: "label" } : { for: id }, name);
    box.append(
      h("div", { class: "label-row" }, label, reset), control,
      suggested ? h("datalist", { id: `${id}-list` }, suggested.map((entry) => h("option", { value: entry }))) : "",
      h("p", { class: "help", id: `${id}-help` }, explainField(description, hint)), message,
    );
    return box;
  }

  makeSection(field) {
    const { path, description, shape } = field;
    const body = h("div", { class: "section" });
    const message = h("p", { class: "bad" });
    const summary = h("summary", {}, path.at(-1), h("span", { class: "sub" }, this.summarize(path)));
    const element = h("details", { "data-section": path.join(".") }, summary, body);
    const fill = () => {
      if (body.hasChildNodes()) return;
      body.append(h("p", { class: "help" }, withCode(description)), message);
      body.append(shape === "kinds" ? this.makeKinds(field) : this.makeObject(field));
    };
    element.addEventListener("toggle", () => element.open && fill());
    element.fill = fill;
    this.messages.set(path.join("."), { message, control: element });
    return element;
  }

  summarize(path) {
    const value = find(this.value, path);
    if (value == null) return "none";
    return isObject(value) && value.kind ? value.kind : "";
  }

  makeObject(field) {
    const body = h("div");
    const draw = () => {
      const isNone = field.isNullable && find(this.value, field.path) == null;
      replace(body, isNone ? [] : this.makeFields(field.schema, field.path));
    };
    draw();
    return field.isNullable ? h("div", {}, this.makeSwitch(field, draw), body) : body;
  }

  // An object that may be left out.
  makeSwitch(field, draw) {
    const id = freshId("switch");
    const box = h("input", { type: "checkbox", id });
    box.checked = find(this.value, field.path) != null;
    box.addEventListener("change", () => {
      this.change(field.path, box.checked ? {} : null);
      draw();
    });
    return h("div", { class: "field check" }, box, h("label", { for: id }, `with ${field.path.at(-1)}`));
  }

  makeKinds(field) {
    const kinds = this.schemas.listKinds(field.schema);
    const now = find(this.value, field.path)?.kind ?? Object.keys(kinds)[0];
    const id = freshId("kind");
    const body = h("div", {}, this.makeFields(withoutKind(kinds[now]), field.path));
    const control = h("select", { id, "data-path": [...field.path, "kind"].join(".") },
      Object.keys(kinds).map((kind) => h("option", { value: kind, selected: kind === now }, kind)));
    control.addEventListener("change", () => {
      this.forgetFields(field.path);
      this.change(field.path, { kind: control.value });
      replace(body, this.makeFields(withoutKind(kinds[control.value]), field.path));
    });
    return h("div", {}, h("div", { class: "field" }, h("label", { for: id }, "kind"), control), body);
  }

  // Fields of another kind are no longer there to be told of errors.
  forgetFields(path) {
    const before = `${path.join(".")}.`;
    for (const name of [...this.messages.keys()]) if (name.startsWith(before)) this.messages.delete(name);
  }

  change(path, value) {
    set(this.changes, path, value);
    this.onChange();
  }

  // Messages at their fields; those of no field here are given back.
  showErrors(errors) {
    for (const { message, control } of this.messages.values()) {
      replace(message);
      control.removeAttribute("aria-invalid");
    }
    return errors.filter(({ field, message }) => {
      const path = field.replace(/^spec\.?/, "").split(".").filter(Boolean);
      const place = this.findPlace(path);
      if (!place) return true;
      place.message.textContent = message;
      if (place.control.tagName !== "DETAILS") place.control.setAttribute("aria-invalid", "true");
      return false;
    });
  }

  // The field of a path, or the nearest one that holds it; what is folded around it opens.
  findPlace(path) {
    for (let n = 1; n <= path.length; n++) {
      const section = this.messages.get(path.slice(0, n).join("."))?.control;
      if (section?.tagName !== "DETAILS") continue;
      section.open = true;
      section.fill();
    }
    for (let n = path.length; n > 0; n--) {
      const place = this.messages.get(path.slice(0, n).join("."));
      if (place) return place;
    }
    return null;
  }

  focusFirstError() {
    this.element.querySelector("[aria-invalid=true]")?.focus();
  }
}

const namesDatasets = ({ format, items }) => (format ?? items?.format) === "dataset";

// Fields that few people change come last.
const RARE = new Set(["max_attempts", "backoff_seconds", "checkpoint_every_updates", "chunk_size"]);
const isRare = ({ path }) => RARE.has(path.at(-1));

// The sentence of a field, and its bounds where the sentence does not name them.
const explainField = (description, hint) =>
  [withCode(description), hint && !description.includes(hint) && ` From ${hint}.`];

// What stands between backticks is code.
const withCode = (text) =>
  text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));

const withoutKind = (schema) => {
  const { kind, ...properties } = schema.properties;
  return { ...schema, properties };
};
