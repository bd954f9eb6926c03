import Alert from "@mui/material/Alert";
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import TextField from "@mui/material/TextField";
import Typography from "@mui/material/Typography";
import { useState, type FormEvent } from "react";
import { messageOf } from "../../api/errors";
import { serverNow } from "../../api/reach";
import { AuthorField } from "../../components/AuthorField";
import { useAuthor } from "../../lib/author";
import { fromLocalField, HOUR, toLocalField } from "../../lib/time-range";
import { useCreateOverride } from "./useDelivery";

/** Puts somebody else on call for a time. */
export function OverrideForm({ calendar }: { calendar: string }) {
  const [author] = useAuthor();
  const [person, setPerson] = useState("");
  const [start, setStart] = useState("");
  const [end, setEnd] = useState(() => toLocalField(serverNow() + 8 * HOUR));
  const [tried, setTried] = useState(false);
  const create = useCreateOverride(calendar);
  const from = start ? fromLocalField(start) : serverNow();
  const to = fromLocalField(end);
  const wrongEnd = Number.isNaN(to) || to <= from;
  const submit = (e: FormEvent) => {
    e.preventDefault();
    setTried(true);
    if (person.trim() === "" || author.trim() === "" || wrongEnd) return;
    const override = {
      person: person.trim(),
      author: author.trim(),
      ...(start && { startTime: new Date(from).toISOString() }),
      endTime: new Date(to).toISOString(),
    };
    create.mutate(override, {
      onSuccess: () => {
        setPerson("");
        setTried(false);
      },
    });
  };
  return (
    <Box component="form" noValidate onSubmit={submit} sx={{ display: "grid", gap: 1.5 }}>
      <Typography variant="h2" component="h3">
        Put somebody else on call
      </Typography>
      <Box sx={{ display: "grid", gap: 1.5, gridTemplateColumns: { xs: "1fr", sm: "1fr 1fr" } }}>
        <TextField
          required
          size="small"
          label="Who"
          value={person}
          error={tried && person.trim() === ""}
          helperText={tried && person.trim() === "" ? "Say who takes over." : undefined}
          onChange={(e) => setPerson(e.target.value)}
        />
        <AuthorField error={tried && author.trim() === ""} />
        <TextField
          size="small"
          type="datetime-local"
          label="From"
          value={start}
          helperText={start ? undefined : "at once, if left empty"}
          onChange={(e) => setStart(e.target.value)}
          slotProps={{ inputLabel: { shrink: true } }}
        />
        <TextField
          required
          size="small"
          type="datetime-local"
          label="Until"
          value={end}
          error={tried && wrongEnd}
          helperText={tried && wrongEnd ? "The end must be after the start." : undefined}
          onChange={(e) => setEnd(e.target.value)}
          slotProps={{ inputLabel: { shrink: true } }}
        />
      </Box>
      {create.isError && <Alert severity="error">{messageOf(create.error)}</Alert>}
      <Button type="submit" variant="outlined" loading={create.isPending} sx={{ justifySelf: "start" }}>
        Put on call
      </Button>
    </Box>
  );
}
