// A question in a dialog of the browser: it keeps the focus, and Escape closes it.

import { freshId, h, replace } from "../lib/dom.js";
import { explain } from "./notice.js";

// Asks for the fields, then does the work with their values. What the work refuses stays visible.
export function ask({ title, text, fields = [], confirm = "OK", isDangerous = false, work }) {
  const heading = freshId("dialog");
  const failure = h("p", { class: "bad", role: "alert" });
  const button = h("button", { class: isDangerous ? "danger" : "main" }, confirm);
  const cancel = h("button", { type: "button" }, "Cancel");
  const inputs = fields.map(makeField);
  const form = h("form", { method: "dialog" },
    h("h2", { id: heading }, title),
    text && h("p", {}, text),
    inputs.map(({ element }) => element),
    failure,
    h("div", { class: "actions end" }, cancel, button),
  );
  const dialog = h("dialog", { "aria-labelledby": heading }, form);
  cancel.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    replace(failure);
    try {
      await work(Object.fromEntries(inputs.map(({ name, read }) => [name, read()])));
      dialog.close();
    } catch (error) {
      replace(failure, explain(error));
    } finally {
      button.disabled = false;
    }
  });
  document.body.append(dialog);
  dialog.showModal();
}

function makeField({ name, label, kind = "text", value = "", options, required, help, maxlength, accept }) {
  const id = freshId("field");
  const helpId = help && `${id}-help`;
  const attributes = { id, name, required, maxlength, "aria-describedby": helpId };
  if (kind === "checkbox") return makeCheckbox(name, label, value, attributes);

  if (accept) attributes.accept = accept;
  const control = makeControl(kind, value, options, attributes);
  const element = h("div", { class: "field" },
    h("label", { for: id }, label),
    control,
    kind === "list" && dataList(`${id}-list`, options),
    help && h("p", { id: helpId, class: "help" }, help),
  );
  return { name, element, read: () => (kind === "file" ? control.files[0] : control.value.trim()) };
}

function makeControl(kind, value, options = [], attributes) {
  if (kind === "select") {
    const entries = options.map(([entry, text]) =>
      h("option", { value: entry, selected: entry === value }, text));
    return h("select", attributes, entries);
  }
  if (kind === "textarea") return h("textarea", { ...attributes, rows: 4 }, value);
  if (kind === "list") {
    return h("input", { ...attributes, value, list: `${attributes.id}-list`, autocomplete: "off" });
  }
  if (kind === "file") return h("input", { ...attributes, type: kind });
  return h("input", { ...attributes, type: kind, value, autocomplete: "off" });
}

function makeCheckbox(name, label, value, attributes) {
  const control = h("input", { ...attributes, type: "checkbox" });
  control.checked = Boolean(value);
  const element = h("div", { class: "field check" }, control, h("label", { for: attributes.id }, label));
  return { name, element, read: () => control.checked };
}

const dataList = (id, options) =>
  h("datalist", { id }, options.map((option) => h("option", { value: option })));
