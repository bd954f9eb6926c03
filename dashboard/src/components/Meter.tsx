import Box from "@mui/material/Box";
import { levelOf } from "../lib/colors";
import { formatRatio, NO_VALUE } from "../lib/format";

const colors = { ok: "primary.main", warn: "warning.main", bad: "error.main" };

interface Props {
  /** What is measured, for screen readers. */
  label: string;
  /** Share of 1; undefined if it is not known. */
  value: number | undefined;
  warn?: number;
  bad?: number;
}

/** A share as a number and a bar. The number says it; the bar is for the eye. */
export function Meter({ label, value, warn = 0.8, bad = 0.92 }: Props) {
  const known = value !== undefined && Number.isFinite(value);
  const level = known ? levelOf(value, warn, bad) : "ok";
  return (
    <Box sx={{ display: "flex", alignItems: "center", gap: 1, minWidth: 100 }}>
      <Box
        component="span"
        aria-label={`${label} ${known ? formatRatio(value) : "unknown"}`}
        role="img"
        sx={{
          width: 44,
          textAlign: "right",
          color: level === "ok" ? "text.primary" : colors[level],
          fontWeight: level === "ok" ? 400 : 600,
        }}
      >
        {known ? formatRatio(value) : NO_VALUE}
      </Box>
      <Box
        aria-hidden
        sx={{
          flex: 1,
          minWidth: 48,
          height: 6,
          borderRadius: 3,
          bgcolor: "action.hover",
          overflow: "hidden",
        }}
      >
        <Box
          sx={{
            height: 1,
            width: `${known ? Math.min(100, Math.max(0, value * 100)) : 0}%`,
            bgcolor: colors[level],
            borderRadius: 3,
            transition: "width 300ms",
          }}
        />
      </Box>
    </Box>
  );
}
