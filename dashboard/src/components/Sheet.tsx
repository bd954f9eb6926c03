import Box from "@mui/material/Box";
import type { ReactNode } from "react";

/** The ground that a table lies on. */
export function Sheet({ children }: { children: ReactNode }) {
  return (
    <Box
      sx={{ bgcolor: "background.paper", border: 1, borderColor: "divider", borderRadius: 1, minWidth: 0 }}
    >
      {children}
    </Box>
  );
}
