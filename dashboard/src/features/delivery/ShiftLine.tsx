import Box from "@mui/material/Box";
import type { Shift } from "../../api/schema";
import { useChartColors } from "../../components/useScheme";
import { formatMoment } from "../../lib/format";
import { HOUR } from "../../lib/time-range";
import { midnights, shiftBars } from "./shifts";

const DAYS = 14;

/** Two weeks of shifts as a line. It is for the eye: the table below says the same. */
export function ShiftLine({ shifts, now }: { shifts: readonly Shift[]; now: number }) {
  const colors = useChartColors().series;
  const span = { from: now, to: now + DAYS * 24 * HOUR };
  const bars = shiftBars(shifts, span);
  const people = [...new Set(bars.map((b) => b.person))];
  const share = (t: number) => `${((t - span.from) / (span.to - span.from)) * 100}%`;
  return (
    <Box aria-hidden sx={{ position: "relative", height: 56, overflow: "hidden" }}>
      {midnights(span).map((t) => (
        <Box
          key={t}
          sx={{
            position: "absolute",
            top: 0,
            bottom: 0,
            left: share(t),
            borderLeft: 1,
            borderColor: "divider",
          }}
        >
          <Box sx={{ pl: 0.5, fontSize: "0.6875rem", color: "text.secondary", whiteSpace: "nowrap" }}>
            {new Date(t).toLocaleDateString("en-GB", { weekday: "short", day: "numeric" })}
          </Box>
        </Box>
      ))}
      {bars.map((bar) => (
        <Box
          key={`${bar.from} ${bar.person}`}
          title={`${bar.person}: ${formatMoment(bar.from, now)} – ${formatMoment(bar.to, now)}`}
          sx={{
            position: "absolute",
            top: 22,
            height: 28,
            left: `${bar.left * 100}%`,
            width: `calc(${bar.width * 100}% - 1px)`,
            px: 0.5,
            borderRadius: 0.5,
            borderLeft: 4,
            borderColor: colors[people.indexOf(bar.person) % colors.length],
            bgcolor: "action.selected",
            outline: bar.override ? "1px dashed" : "none",
            outlineOffset: -1,
            color: "text.primary",
            fontSize: "0.75rem",
            lineHeight: "28px",
            overflow: "hidden",
            textOverflow: "ellipsis",
            whiteSpace: "nowrap",
          }}
        >
          {bar.person || "nobody"}
        </Box>
      ))}
    </Box>
  );
}
