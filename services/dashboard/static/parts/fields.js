// One control for each shape of a field. Each gives its element, what it says, and shows a value.

import { h } from "../lib/dom.js";

// Text → value, or the text as it is, so that the server says what is wrong with it.
function parseNumber(text) {
  const value = Number(text);
  return text.trim() === "" || Number.isNaN(value) ? text : value;
}

export function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const MAKERS = { boolean: makeBoolean, choice: makeChoice, choices: makeChoices, json: makeJson, list: makeList, number: makeNumber, text: makeText };
export const hasControl = (shape) => shape in MAKERS;

// attributes carry the id and what describes the control.
export function makeControl(field, attributes, value, onChange) {
  return MAKERS[field.shape](field, attributes, value, onChange);
}

function makeInput(attributes, value, onChange, read) {
  const input = h("input", { type: "text", autocomplete: "off", spellcheck: "false", ...attributes });
  input.value = value ?? "";
  input.addEventListener("input", () => onChange(read(input.value)));
  return input;
}

const orNull = (field, text, read) => (text.trim() === "" && field.isNullable ? null : read(text));

function makeText(field, attributes, value, onChange) {
  return makeInput(attributes, value, onChange, (text) => orNull(field, text, (entry) => entry));
}

function makeNumber(field, attributes, value, onChange) {
  const more = { ...attributes, inputmode: "decimal" };
  return makeInput(more, value, onChange, (text) => orNull(field, text, parseNumber));
}

function makeList(field, attributes, value, onChange) {
  const isText = field.schema.items.type === "string";
  const read = (text) => text.split(",").map((part) => part.trim()).filter(Boolean)
    .map((part) => (isText ? part : parseNumber(part)));
  return makeInput(attributes, value?.join(", "), onChange, (text) => orNull(field, text, read));
}

function makeBoolean(field, attributes, value, onChange) {
  const input = h("input", { type: "checkbox", ...attributes });
  input.checked = Boolean(value);
  input.addEventListener("change", () => onChange(input.checked));
  return input;
}

function makeChoice(field, attributes, value, onChange) {
  const names = field.isNullable ? [null, ...field.schema.enum] : field.schema.enum;
  const control = h("select", attributes, names.map((name) =>
    h("option", { value: name ?? "", selected: name === value }, name ?? "none")));
  control.addEventListener("change", () => onChange(control.value === "" ? null : control.value));
  return control;
}

function makeChoices(field, attributes, value, onChange) {
  const chosen = new Set(value ?? []);
  const boxes = field.schema.items.enum.map((name) => {
    const box = h("input", { type: "checkbox" });
    box.checked = chosen.has(name);
    box.addEventListener("change", () => {
      if (box.checked) chosen.add(name);
      else chosen.delete(name);
      onChange([...chosen]);
    });
    return h("label", { class: "box" }, box, ` ${name}`);
  });
  return h("div", { ...attributes, role: "group", class: "boxes" }, boxes);
}

function makeJson(field, attributes, value, onChange) {
  const text = value === undefined || value === null ? "" : JSON.stringify(value, null, 1);
  const rows = Math.min(12, Math.max(2, text.split("\n").length));
  const area = h("textarea", { ...attributes, rows, spellcheck: "false", class: "mono" }, text);
  area.addEventListener("input", () => onChange(area.value.trim() === "" ? null : parseJson(area.value)));
  return area;
}
