import Box from "@mui/material/Box";
import type { ReactNode } from "react";

/** How much a tag stands out. */
export type Tone = "quiet" | "good" | "warn" | "bad";

const colors: Record<Tone, string> = {
  quiet: "text.secondary",
  good: "success.main",
  warn: "warning.main",
  bad: "error.main",
};

interface Props {
  tone?: Tone;
  /** Said on hover. */
  title?: string | undefined;
  children: ReactNode;
}

/** A short word in a frame. */
export function Tag({ tone = "quiet", title, children }: Props) {
  return (
    <Box
      component="span"
      title={title}
      sx={{
        display: "inline-block",
        px: 0.75,
        border: 1,
        borderColor: tone === "quiet" ? "divider" : "currentColor",
        borderRadius: 0.75,
        fontSize: "0.75rem",
        lineHeight: 1.5,
        color: colors[tone],
        whiteSpace: "nowrap",
        maxWidth: "100%",
        overflow: "hidden",
        textOverflow: "ellipsis",
        verticalAlign: "middle",
      }}
    >
      {children}
    </Box>
  );
}
