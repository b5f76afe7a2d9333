// Colours of series: told apart by people who see few of them, in light and in dark.

const LIGHT = [
  "#3451c7", "#c2410c", "#0f766e", "#a21caf", "#8a5a00", "#0369a1",
  "#b91c1c", "#4d7c0f", "#6d28d9", "#57606a", "#be185d", "#155e75",
];
const DARK = [
  "#8ea6ff", "#ff9b5e", "#4fd1c0", "#e58bf0", "#e9b949", "#62c3f5",
  "#ff8a7a", "#a3d65c", "#b79bff", "#a3abb6", "#ff8fbf", "#6fd0e0",
];
const dark = matchMedia("(prefers-color-scheme: dark)");

export const isDark = () => dark.matches;
export const seriesColor = (index) => (isDark() ? DARK : LIGHT)[index % LIGHT.length];
export const onThemeChange = (work, signal) => dark.addEventListener("change", work, { signal });

// What a custom property of the style sheet is just now, as canvases need it.
export function themeColor(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}

// From good (0) to bad (1), along one hue of the accent to grey.
export const shade = (share) => {
  const light = isDark() ? 72 - 30 * share : 38 + 34 * share;
  return `hsl(${228 - 40 * share} ${72 - 60 * share}% ${light}%)`;
};
