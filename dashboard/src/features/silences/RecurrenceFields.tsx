import Box from "@mui/material/Box";
import TextField from "@mui/material/TextField";
import type { PartProps } from "./SilenceForm";

/** When a silence comes again. */
export function RecurrenceFields({ fields, mistakes, change }: PartProps) {
  return (
    <Box sx={{ display: "grid", gap: 2, gridTemplateColumns: { xs: "1fr", sm: "2fr 1fr 2fr" } }}>
      <TextField
        required
        size="small"
        label="Window opens at"
        value={fields.cron}
        error={mistakes.cron !== undefined}
        helperText={mistakes.cron ?? "minute hour day month weekday; 0 22 * * 6 is Saturday 22:00"}
        onChange={(e) => change({ cron: e.target.value })}
      />
      <TextField
        required
        size="small"
        label="Minutes"
        value={fields.minutes}
        error={mistakes.minutes !== undefined}
        helperText={mistakes.minutes}
        onChange={(e) => change({ minutes: e.target.value })}
        slotProps={{ htmlInput: { inputMode: "numeric" } }}
      />
      <TextField
        required
        size="small"
        label="Time zone"
        value={fields.timeZone}
        error={mistakes.timeZone !== undefined}
        helperText={mistakes.timeZone}
        onChange={(e) => change({ timeZone: e.target.value })}
      />
    </Box>
  );
}
