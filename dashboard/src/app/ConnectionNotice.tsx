import Alert from "@mui/material/Alert";
import Snackbar from "@mui/material/Snackbar";
import { reach } from "../api/reach";
import { formatMoment } from "../lib/format";
import { useStore } from "../lib/store";
import { useNow } from "../lib/useNow";

/** Says over every page, moving nothing on it, that the server does not answer. */
export function ConnectionNotice() {
  const state = useStore(reach);
  const now = useNow(60_000);
  if (state.ok) return null;
  return (
    <Snackbar open anchorOrigin={{ vertical: "bottom", horizontal: "center" }}>
      <Alert severity="error" variant="filled" role="alert">
        The server does not answer since {formatMoment(state.since, now)}. What you see is from before; the
        page goes on by itself when the server is back.
      </Alert>
    </Snackbar>
  );
}
