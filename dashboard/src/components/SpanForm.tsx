import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import TextField from "@mui/material/TextField";
import Typography from "@mui/material/Typography";
import { useState, type FormEvent } from "react";
import { fromLocalField, MAX_SPAN, toLocalField, validSpan } from "../lib/time-range";

interface Props {
  span: { from: number; to: number };
  onSubmit: (from: number, to: number) => void;
}

/** Two moments in the viewer's time zone. */
export function SpanForm({ span, onSubmit }: Props) {
  const [from, setFrom] = useState(() => toLocalField(span.from));
  const [to, setTo] = useState(() => toLocalField(span.to));
  const [wrong, setWrong] = useState("");
  const submit = (e: FormEvent) => {
    e.preventDefault();
    const [a, b] = [fromLocalField(from), fromLocalField(to)];
    const mistake = mistakeOf(a, b);
    setWrong(mistake);
    if (mistake === "") onSubmit(a, b);
  };
  return (
    <Box
      component="form"
      noValidate
      onSubmit={submit}
      sx={{ p: 2, width: 250, display: "flex", flexDirection: "column", gap: 1.5 }}
    >
      <Typography variant="h2">Between two moments</Typography>
      <Field label="From" value={from} onChange={setFrom} />
      <Field label="To" value={to} onChange={setTo} />
      <Typography role="alert" variant="caption" sx={{ color: "error.main", minHeight: 34 }}>
        {wrong}
      </Typography>
      <Button type="submit" variant="contained">
        Show
      </Button>
    </Box>
  );
}

function mistakeOf(from: number, to: number): string {
  if (Number.isNaN(from) || Number.isNaN(to)) return "Fill in both moments.";
  if (to <= from) return "The end must be after the start.";
  if (!validSpan(from, to)) return `At most ${MAX_SPAN / 86_400_000} days can be shown.`;
  return "";
}

function Field({
  label,
  value,
  onChange,
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
}) {
  return (
    <TextField
      label={label}
      type="datetime-local"
      size="small"
      value={value}
      onChange={(e) => onChange(e.target.value)}
      slotProps={{ inputLabel: { shrink: true } }}
    />
  );
}
