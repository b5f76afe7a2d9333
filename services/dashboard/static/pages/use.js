// The lines that pull an optimizer into a training script, and into a shell.

import { h } from "../lib/dom.js";
import { snippet } from "../parts/marks.js";

const CLASSES = { hyperadam: "HyperAdam", "hyperadam-tensor": "HyperAdam", rnnprop: "RNNprop", dm: "DMOptimizer" };

export function showUse(name, version) {
  const reference = `${name}@${version?.number ?? "latest"}`;
  const kind = version?.manifest.rule?.kind ?? version?.manifest.kind;
  const python = [
    "import hyperadam",
    "",
    `theta = hyperadam.pull("${reference}")`,
    `optimizer = hyperadam.${CLASSES[kind] ?? "HyperAdam"}(model.parameters(), theta=theta)`,
  ].join("\n");
  const shell = [
    `export HYPERADAM_URL=${location.origin}`,
    "export HYPERADAM_API_KEY=…",
    `hyperadam pull ${reference} -o theta.safetensors`,
  ].join("\n");
  return h("div", {}, h("h2", {}, "Use it"), h("div", { class: "plots" }, snippet("in Python", python), snippet("in a shell", shell)));
}
