import Alert from "@mui/material/Alert";
import Button from "@mui/material/Button";
import Checkbox from "@mui/material/Checkbox";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import FormControlLabel from "@mui/material/FormControlLabel";
import MenuItem from "@mui/material/MenuItem";
import TextField from "@mui/material/TextField";
import { useId, useState, type FormEvent } from "react";
import { messageOf } from "../../api/errors";
import { AuthorField } from "../AuthorField";
import { useAuthor } from "../../lib/author";
import { formatCount } from "../../lib/format";
import { durationOf } from "../../lib/proto-json";
import { useAcknowledge } from "./useAlerts";

/** When acknowledgements end, seconds. */
const EXPIRIES: readonly [number, string][] = [
  [3600, "after 1 hour"],
  [4 * 3600, "after 4 hours"],
  [8 * 3600, "after 8 hours"],
  [86_400, "after 1 day"],
  [7 * 86_400, "after 1 week"],
];

interface Props {
  ids: readonly string[];
  onCancel: () => void;
  /** All that could be acknowledged are. */
  onDone: () => void;
}

/** Asks what to say when alerts are acknowledged, and does it. */
export function AcknowledgeDialog({ ids, onCancel, onDone }: Props) {
  const title = useId();
  const [author] = useAuthor();
  const [comment, setComment] = useState("");
  const [expiry, setExpiry] = useState(0);
  const [sticky, setSticky] = useState(false);
  const [tried, setTried] = useState(false);
  const acknowledge = useAcknowledge();
  const missed = acknowledge.data?.length ?? 0;
  const submit = (e: FormEvent) => {
    e.preventDefault();
    setTried(true);
    if (author.trim() === "") return;
    const body = {
      ids: [...ids],
      author: author.trim(),
      comment: comment.trim(),
      sticky,
      ...(expiry > 0 && { expireAfter: durationOf(expiry) }),
    };
    acknowledge.mutate(body, {
      onSuccess: (notFound) => {
        if (notFound.length === 0) onDone();
      },
    });
  };
  return (
    <Dialog open onClose={missed > 0 ? onDone : onCancel} aria-labelledby={title} fullWidth maxWidth="xs">
      <form noValidate onSubmit={submit}>
        <DialogTitle id={title} sx={{ fontSize: "1rem", fontWeight: 650 }}>
          Acknowledge {ids.length === 1 ? "the alert" : `${formatCount(ids.length)} alerts`}
        </DialogTitle>
        <DialogContent sx={{ display: "grid", gap: 2, pt: "6px !important" }}>
          <AuthorField error={tried && author.trim() === ""} />
          <TextField
            size="small"
            label="Comment"
            multiline
            minRows={2}
            value={comment}
            onChange={(e) => setComment(e.target.value)}
            helperText="Others see it: what you know, what you do about it."
          />
          <TextField
            select
            size="small"
            label="It ends"
            value={expiry}
            onChange={(e) => setExpiry(Number(e.target.value))}
          >
            <MenuItem value={0}>{sticky ? "never" : "when it is resolved"}</MenuItem>
            {EXPIRIES.map(([seconds, text]) => (
              <MenuItem key={seconds} value={seconds}>
                {text}
              </MenuItem>
            ))}
          </TextField>
          <FormControlLabel
            control={<Checkbox size="small" checked={sticky} onChange={(e) => setSticky(e.target.checked)} />}
            label="Keep it when the alert is resolved and fires again"
          />
          {acknowledge.isError && <Alert severity="error">{messageOf(acknowledge.error)}</Alert>}
          {missed > 0 && (
            <Alert severity="warning">
              {missed === 1 ? "One alert does" : `${formatCount(missed)} alerts do`} not fire any more; the
              rest is acknowledged.
            </Alert>
          )}
        </DialogContent>
        <DialogActions>
          <Button onClick={missed > 0 ? onDone : onCancel}>{missed > 0 ? "Close" : "Cancel"}</Button>
          {missed === 0 && (
            <Button type="submit" variant="contained" loading={acknowledge.isPending}>
              Acknowledge
            </Button>
          )}
        </DialogActions>
      </form>
    </Dialog>
  );
}
