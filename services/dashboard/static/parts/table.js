// Tables: sorted by a click on a heading, stacked on narrow screens, and kept as they are while
// nothing changes. On narrow screens cells are blocks, so every role is written out.

import { h, replace } from "../lib/dom.js";

// columns: [{ title, cell(item), value?(item), isNumber?, isWide? }]; those with a value can be
// sorted by. key(item) names a row, so that the focus finds it again.
export class Table {
  constructor({ caption, columns, empty, key, sort, onRow }) {
    Object.assign(this, { caption, columns, empty, key, onRow });
    this.sort = sort ?? { index: -1, isDown: false };
    this.items = null;
    this.element = h("div", { class: "table" });
  }

  show(items) {
    const text = JSON.stringify(items);
    if (text === this.text) return;
    this.text = text;
    this.items = items;
    this.draw();
  }

  draw() {
    if (!this.items.length) {
      replace(this.element, h("p", { class: "card empty" }, this.empty));
      return;
    }
    const focus = this.findFocus();
    const rows = this.order().map((item) => this.makeRow(item));
    const headings = this.columns.map((column, index) => this.makeHeading(column, index));
    replace(this.element, h("div", { class: "scroll", role: "region", "aria-label": this.caption, tabindex: "0" },
      h("table", { role: "table" },
        h("caption", {}, this.caption),
        h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, headings)),
        h("tbody", { role: "rowgroup" }, rows),
      )));
    this.restoreFocus(focus);
  }

  order() {
    const { index, isDown } = this.sort;
    const value = this.columns[index]?.value;
    if (!value) return this.items;
    const direction = isDown ? -1 : 1;
    return [...this.items].sort((a, b) => direction * compare(value(a), value(b), direction));
  }

  makeHeading(column, index) {
    const kind = column.isNumber && "number";
    if (!column.value) return h("th", { scope: "col", role: "columnheader", class: kind }, column.title);
    const isSorted = this.sort.index === index;
    const direction = this.sort.isDown ? "descending" : "ascending";
    const button = h("button", { type: "button", class: "sort", "data-key": `sort ${index}` }, column.title,
      h("span", { "aria-hidden": "true" }, isSorted ? (this.sort.isDown ? " ↓" : " ↑") : " ↕"));
    button.addEventListener("click", () => {
      this.sort = { index, isDown: isSorted && !this.sort.isDown };
      this.draw();
    });
    return h("th", { scope: "col", role: "columnheader", class: kind, "aria-sort": isSorted ? direction : "none" }, button);
  }

  makeRow(item) {
    const cells = this.columns.map((column) => {
      const kind = [column.isNumber && "number", column.isWide && "wide"].filter(Boolean).join(" ");
      return h("td", { role: "cell", class: kind || null, "data-label": column.title }, h("div", {}, column.cell(item)));
    });
    const row = h("tr", { role: "row", "data-key": this.key?.(item) }, cells);
    this.onRow?.(row, item);
    return row;
  }

  // Which control has the focus, by the key of its row and its place there.
  findFocus() {
    const control = document.activeElement;
    const row = control?.closest?.("[data-key]");
    if (!row || !this.element.contains(row)) return null;
    return { key: row.dataset.key, place: [...row.querySelectorAll("a, button, input")].indexOf(control) };
  }

  restoreFocus(focus) {
    if (!focus) return;
    const row = [...this.element.querySelectorAll("[data-key]")].find((entry) => entry.dataset.key === focus.key);
    const control = focus.place < 0 ? row : row?.querySelectorAll("a, button, input")[focus.place];
    control?.focus();
  }
}

export function table(caption, columns, items, empty) {
  const made = new Table({ caption, columns, empty });
  made.show(items);
  return made.element;
}

// What is not known comes last in both directions.
function compare(a, b, direction) {
  if (a == null || b == null) return ((a == null) - (b == null)) * direction;
  return typeof a === "string" ? a.localeCompare(b) : a - b;
}
