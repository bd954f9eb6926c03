import Box from "@mui/material/Box";
import type { ReactNode } from "react";

/** Text for screen readers alone: the eye sees it in another way. */
export function Hidden({ children }: { children: ReactNode }) {
  return (
    <Box
      component="span"
      sx={{
        position: "absolute",
        width: "1px",
        height: "1px",
        overflow: "hidden",
        clipPath: "inset(50%)",
        whiteSpace: "nowrap",
      }}
    >
      {children}
    </Box>
  );
}
