// The files of a result, each to be downloaded; pictures are shown.

import { get, resultPath } from "../lib/api.js";
import { add, h, replace } from "../lib/dom.js";
import { bytes } from "../lib/format.js";
import { fold } from "../parts/marks.js";

// How many files there are; the list is drawn anew when their number changes.
export async function resultFiles(element, job, path, signal, before) {
  if (!job.run_id) return 0;
  const { artifacts } = await get(`${path}/result`, signal).catch(() => ({ artifacts: [] }));
  if (artifacts.length === before) return before;
  const items = artifacts.map((file) => fileRow(job, file));
  const pictures = artifacts.filter((file) => file.path.endsWith(".png"));
  replace(element,
    h("h2", {}, "Files"),
    h("ul", { class: "card files" }, items),
    pictures.length > 0 && fold("Pictures", (box) => add(box, ...pictures.map((file) => picture(job, file)))));
  return artifacts.length;
}

function fileRow(job, file) {
  const name = file.path.split("/").at(-1);
  const link = h("a", { href: resultPath(job.id, file.path), download: name }, file.path);
  const isPage = file.path.endsWith(".html");
  const open = isPage && h("a", { href: resultPath(job.id, file.path), target: "_blank", rel: "noopener" }, "open");
  return h("li", {}, link, h("span", { class: "sub" }, bytes(file.size_bytes)), open);
}

function picture(job, file) {
  const source = resultPath(job.id, file.path);
  return h("div", { class: "pictures" },
    h("img", { src: source, loading: "lazy", alt: `Picture of the result: ${file.path}` }));
}
