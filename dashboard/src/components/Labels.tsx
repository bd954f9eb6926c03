import Box from "@mui/material/Box";
import type { Labels as LabelSet } from "../lib/labels";

interface Props {
  labels: LabelSet;
  /** Names that are said elsewhere. */
  without?: readonly string[];
}

/** The labels of a thing, by name. */
export function Labels({ labels, without = [] }: Props) {
  const shown = Object.entries(labels)
    .filter(([name]) => !without.includes(name))
    .sort(([a], [b]) => a.localeCompare(b));
  return (
    <Box
      component="ul"
      aria-label="Labels"
      sx={{ listStyle: "none", m: 0, p: 0, display: "flex", flexWrap: "wrap", gap: 0.5 }}
    >
      {shown.map(([name, value]) => (
        <Box
          component="li"
          key={name}
          sx={{
            px: 0.75,
            borderRadius: 0.75,
            bgcolor: "action.hover",
            fontSize: "0.75rem",
            lineHeight: 1.6,
            overflowWrap: "anywhere",
          }}
        >
          <Box component="span" sx={{ color: "text.secondary" }}>
            {name}=
          </Box>
          {value || "“”"}
        </Box>
      ))}
    </Box>
  );
}
