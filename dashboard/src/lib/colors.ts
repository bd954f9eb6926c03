// Colours that are not part of the component library's palette: those of lines
// and of levels. Neighbours in the list differ in lightness too, so that they can
// be told apart without seeing colour well.

/** The two ways to show the page. */
export type Scheme = "light" | "dark";

export interface ChartColors {
  series: readonly string[];
  axis: string;
  grid: string;
  /** Limits that should not be passed. */
  limit: string;
}

export const CHART_COLORS: Record<Scheme, ChartColors> = {
  light: {
    series: [
      "#3b77db",
      "#e08a1e",
      "#2f9e8f",
      "#c2498f",
      "#7d62d6",
      "#8a9a2b",
      "#d1534a",
      "#4aa3c9",
      "#9a6b4b",
      "#6b7a8f",
    ],
    axis: "#5b6675",
    grid: "#e6e9ee",
    limit: "#c03a32",
  },
  dark: {
    series: [
      "#6ea3ff",
      "#f2a94b",
      "#4fc3b2",
      "#e57ab5",
      "#a792f0",
      "#b5c350",
      "#f07a72",
      "#72c6e8",
      "#c59673",
      "#9aa9bd",
    ],
    axis: "#8d98a8",
    grid: "#262c36",
    limit: "#f2857d",
  },
};

/** How bad a value is. */
export type Level = "ok" | "warn" | "bad";

/** Returns the level of a share of 1 that should stay below the bounds. */
export function levelOf(value: number, warn: number, bad: number): Level {
  return value >= bad ? "bad" : value >= warn ? "warn" : "ok";
}
