import { useColorScheme } from "@mui/material/styles";
import { CHART_COLORS, type ChartColors, type Scheme } from "../lib/colors";

/** Returns how the page is shown now, the system's choice resolved. */
export function useScheme(): Scheme {
  const { mode, systemMode } = useColorScheme();
  return (mode === "system" ? systemMode : mode) ?? "light";
}

/** Returns the colours of charts that go with how the page is shown. */
export function useChartColors(): ChartColors {
  return CHART_COLORS[useScheme()];
}
