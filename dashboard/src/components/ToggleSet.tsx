import Box from "@mui/material/Box";
import ToggleButton from "@mui/material/ToggleButton";
import ToggleButtonGroup from "@mui/material/ToggleButtonGroup";
import { formatCount } from "../lib/format";

interface Props<T extends string> {
  label: string;
  options: readonly T[];
  names: (option: T) => string;
  chosen: readonly T[];
  onChange: (chosen: T[]) => void;
  /** How many there are of each, if that is known. */
  counts?: Readonly<Record<string, number>> | undefined;
}

/** Several of a few things, none means all. */
export function ToggleSet<T extends string>({ label, options, names, chosen, onChange, counts }: Props<T>) {
  return (
    <ToggleButtonGroup
      size="small"
      aria-label={label}
      value={[...chosen]}
      onChange={(_, next: T[]) => onChange(options.filter((o) => next.includes(o)))}
      sx={{ bgcolor: "background.paper" }}
    >
      {options.map((option) => (
        <ToggleButton
          key={option}
          value={option}
          sx={{ px: 1.25, py: 0.375, textTransform: "none", color: "text.primary", fontSize: "0.8125rem" }}
        >
          {names(option)}
          {counts?.[option] !== undefined && (
            <Box component="span" sx={{ ml: 0.75, color: "text.secondary" }}>
              {formatCount(counts[option])}
            </Box>
          )}
        </ToggleButton>
      ))}
    </ToggleButtonGroup>
  );
}
