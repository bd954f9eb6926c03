import Box from "@mui/material/Box";
import { formatValue, type Unit } from "../../lib/format";
import { lastValue, nearest, type Frame } from "../../lib/frame";

interface Props {
  frame: Frame;
  unit: Unit;
  colorOf: (index: number) => string;
  /** The moment whose values are shown; undefined: the last values. */
  at: number | undefined;
  rows: number;
  hidden: number;
}

const ROW = 20;

/** Names the lines of a chart with their values at the cursor, or now. */
export function Legend({ frame, unit, colorOf, at, rows, hidden }: Props) {
  const index = at === undefined ? -1 : nearest(frame.t, at);
  return (
    <Box
      component="ul"
      tabIndex={frame.lines.length > rows * 2 ? 0 : undefined}
      aria-label="Lines"
      sx={{
        listStyle: "none",
        m: 0,
        mt: 0.5,
        pl: 0.5,
        pr: 0.5,
        // On a narrow screen there is room for two beside each other, elsewhere for three.
        height: { xs: (rows + 1) * ROW, sm: rows * ROW },
        overflowY: "auto",
        display: "grid",
        gridTemplateColumns: "repeat(auto-fill, minmax(150px, 1fr))",
        gridAutoRows: ROW,
        columnGap: 2,
        fontSize: "0.75rem",
      }}
    >
      {frame.lines.map((line, i) => {
        const value = index < 0 ? lastValue(line) : (line.v[index] ?? null);
        return (
          <Box
            component="li"
            key={line.key}
            sx={{ display: "flex", alignItems: "center", gap: 0.75, minWidth: 0 }}
          >
            <Box
              component="span"
              aria-hidden
              sx={{ width: 10, height: 3, borderRadius: 1, flex: "none", bgcolor: colorOf(i) }}
            />
            <Box
              component="span"
              title={line.name}
              sx={{
                color: "text.secondary",
                overflow: "hidden",
                textOverflow: "ellipsis",
                whiteSpace: "nowrap",
              }}
            >
              {line.name}
            </Box>
            <Box component="span" sx={{ ml: "auto", whiteSpace: "nowrap" }}>
              {formatValue(value === null ? null : Math.abs(value), unit)}
            </Box>
          </Box>
        );
      })}
      {hidden > 0 && (
        <Box component="li" sx={{ color: "text.secondary" }}>
          and {hidden} smaller
        </Box>
      )}
    </Box>
  );
}
