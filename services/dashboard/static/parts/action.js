// A button that cannot be pressed twice, and tells of its failure.

import { h } from "../lib/dom.js";
import { explain, notify } from "./notice.js";

export function action(label, work, kind = "") {
  const button = h("button", { type: "button", class: kind }, label);
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await work();
    } catch (error) {
      if (error.name !== "AbortError") notify(explain(error), true);
    } finally {
      button.disabled = false;
    }
  });
  return button;
}

export const actions = (...buttons) => h("div", { class: "actions" }, buttons);
