import Box from "@mui/material/Box";
import { live, type LiveState } from "../api/live";
import { reach } from "../api/reach";
import { useStore } from "../lib/store";

const looks: Record<LiveState | "lost", { text: string; color: string }> = {
  open: { text: "Live", color: "success.main" },
  idle: { text: "Connected", color: "success.main" },
  connecting: { text: "Connecting", color: "text.secondary" },
  waiting: { text: "Reconnecting", color: "warning.main" },
  lost: { text: "No connection", color: "error.main" },
};

/** How the page is connected to the server: a word, and a dot for the eye. */
export function ConnectionMark() {
  const { ok } = useStore(reach);
  const state = useStore(live.state);
  const { text, color } = looks[ok ? state : "lost"];
  return (
    <Box
      role="status"
      data-testid="connection"
      sx={{
        display: "inline-flex",
        alignItems: "center",
        gap: 0.75,
        fontSize: "0.75rem",
        color: "text.secondary",
        whiteSpace: "nowrap",
      }}
    >
      <Box aria-hidden component="span" sx={{ width: 8, height: 8, borderRadius: "50%", bgcolor: color }} />
      {text}
    </Box>
  );
}
