import Box from "@mui/material/Box";
import type { ReactNode } from "react";

interface Props {
  color: string;
  title?: string | undefined;
  children: ReactNode;
}

/** A word, and a dot for the eye. */
export function Dot({ color, title, children }: Props) {
  return (
    <Box
      component="span"
      title={title}
      sx={{ display: "inline-flex", alignItems: "center", gap: 0.75, whiteSpace: "nowrap" }}
    >
      <Box
        aria-hidden
        component="span"
        sx={{ width: 8, height: 8, borderRadius: "50%", bgcolor: color, flex: "none" }}
      />
      {children}
    </Box>
  );
}
