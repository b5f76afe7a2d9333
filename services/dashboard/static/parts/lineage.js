// The graph of versions: each below the one that its training started from.

import { h, svg } from "../lib/dom.js";
import { address } from "../lib/router.js";

const STEP_X = 170;
const STEP_Y = 74;
const NODE_WIDTH = 138;
const NODE_HEIGHT = 44;

export function lineageGraph(versions) {
  const nodes = placeNodes(versions);
  const width = STEP_X * (1 + Math.max(...[...nodes.values()].map(({ x }) => x)));
  const height = STEP_Y * (1 + Math.max(...[...nodes.values()].map(({ y }) => y)));
  const edges = [...nodes.values()].filter(({ parent }) => nodes.has(parent)).map((node) => drawEdge(nodes.get(node.parent), node));
  const drawing = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, class: "lineage", "aria-label": "Lineage" },
    edges, [...nodes.values()].map(drawNode));
  return h("div", { class: "card wide-svg", role: "region", tabindex: "0", "aria-label": "Graph of the lineage" }, drawing);
}

// Name → node; parents of other optimizers stand there too. A parent is one row above its children.
function placeNodes(versions) {
  const nodes = new Map();
  const add = (name, version) => {
    const node = nodes.get(name) ?? { name };
    nodes.set(name, node);
    if (version) Object.assign(node, { version, parent: version.lineage.parent });
  };
  for (const version of versions) {
    if (version.lineage.parent) add(version.lineage.parent, null);
    add(`${version.optimizer}@${version.number}`, version);
  }
  const depth = (node, seen = new Set()) => {
    if (!node || seen.has(node.name) || !nodes.has(node.parent)) return 0;
    return 1 + depth(nodes.get(node.parent), seen.add(node.name));
  };
  const filled = new Map();
  for (const node of [...nodes.values()].sort((a, b) => order(a) - order(b))) {
    node.y = depth(node);
    node.x = filled.get(node.y) ?? 0;
    filled.set(node.y, node.x + 1);
  }
  return nodes;
}

const order = ({ version }) => version?.number ?? 0;

function drawNode({ name, version, x, y }) {
  const at = name.lastIndexOf("@");
  const href = address("optimizers", name.slice(0, at), "versions", name.slice(at + 1));
  const aliases = version?.aliases.join(", ") || (version ? version.lineage.source : "parent");
  const left = x * STEP_X + 8;
  const top = y * STEP_Y + 8;
  return svg("a", { href, class: version ? "node" : "node outer", "aria-label": `${name}, ${aliases}` },
    svg("rect", { x: left, y: top, width: NODE_WIDTH, height: NODE_HEIGHT, rx: 8 }),
    svg("text", { x: left + 10, y: top + 18, class: "strong" }, shorten(name)),
    svg("text", { x: left + 10, y: top + 34 }, shorten(aliases)));
}

function drawEdge(parent, child) {
  const x1 = parent.x * STEP_X + 8 + NODE_WIDTH / 2;
  const y1 = parent.y * STEP_Y + 8 + NODE_HEIGHT;
  const x2 = child.x * STEP_X + 8 + NODE_WIDTH / 2;
  const y2 = child.y * STEP_Y + 8;
  const middle = (y1 + y2) / 2;
  return svg("path", { class: "edge", d: `M${x1},${y1} C${x1},${middle} ${x2},${middle} ${x2},${y2}` });
}

const shorten = (text) => (text.length > 18 ? `${text.slice(0, 17)}…` : text);
