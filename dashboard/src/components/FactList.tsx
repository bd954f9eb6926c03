import Box from "@mui/material/Box";
import type { ReactNode } from "react";

export type Fact = readonly [name: string, value: ReactNode];

/** What is known of a thing, in one line that wraps; what is empty is left out. */
export function FactList({ facts }: { facts: readonly Fact[] }) {
  return (
    <Box
      component="dl"
      sx={{
        display: "flex",
        flexWrap: "wrap",
        columnGap: 2,
        rowGap: 0.25,
        m: 0,
        minHeight: 20,
        fontSize: "0.8125rem",
      }}
    >
      {facts.map(
        ([name, value]) =>
          value !== undefined &&
          value !== "" && (
            <Box key={name} sx={{ display: "flex", gap: 0.5, minWidth: 0 }}>
              <Box component="dt" sx={{ color: "text.secondary", whiteSpace: "nowrap" }}>
                {name}
              </Box>
              <Box component="dd" sx={{ m: 0, overflowWrap: "anywhere" }}>
                {value}
              </Box>
            </Box>
          ),
      )}
    </Box>
  );
}
