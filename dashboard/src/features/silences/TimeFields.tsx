import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import TextField from "@mui/material/TextField";
import { serverNow } from "../../api/reach";
import { fromLocalField, HOUR, toLocalField } from "../../lib/time-range";
import type { PartProps } from "./SilenceForm";

const LENGTHS: readonly [string, number][] = [
  ["1 hour", HOUR],
  ["4 hours", 4 * HOUR],
  ["1 day", 24 * HOUR],
  ["1 week", 7 * 24 * HOUR],
];

/** When a silence begins and ends. */
export function TimeFields({ fields, mistakes, change }: PartProps) {
  const lasting = (ms: number) => {
    const start = fields.start ? fromLocalField(fields.start) : serverNow();
    change({ end: toLocalField(start + ms) });
  };
  return (
    <Box sx={{ display: "grid", gap: 1 }}>
      <Box sx={{ display: "grid", gap: 2, gridTemplateColumns: { xs: "1fr", sm: "1fr 1fr" } }}>
        <TextField
          size="small"
          type="datetime-local"
          label="Begins"
          value={fields.start}
          helperText={fields.start ? undefined : "at once, if left empty"}
          onChange={(e) => change({ start: e.target.value })}
          slotProps={{ inputLabel: { shrink: true } }}
        />
        <TextField
          required
          size="small"
          type="datetime-local"
          label="Ends"
          value={fields.end}
          error={mistakes.end !== undefined}
          helperText={mistakes.end}
          onChange={(e) => change({ end: e.target.value })}
          slotProps={{ inputLabel: { shrink: true } }}
        />
      </Box>
      <Box role="group" aria-label="It lasts" sx={{ display: "flex", flexWrap: "wrap", gap: 0.5 }}>
        {LENGTHS.map(([name, ms]) => (
          <Button key={name} variant="outlined" color="inherit" onClick={() => lasting(ms)}>
            {name}
          </Button>
        ))}
      </Box>
    </Box>
  );
}
