import Alert from "@mui/material/Alert";
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Checkbox from "@mui/material/Checkbox";
import FormControlLabel from "@mui/material/FormControlLabel";
import TextField from "@mui/material/TextField";
import { useState, type FormEvent } from "react";
import { Link as RouterLink, useNavigate } from "react-router";
import { messageOf } from "../../api/errors";
import { serverNow } from "../../api/reach";
import { AuthorField } from "../../components/AuthorField";
import { Panel } from "../../components/Panel";
import { useAuthor } from "../../lib/author";
import { matchersMistake, mistakesOf, silenceOf, type SilenceFields } from "./form";
import { PreviewPanel } from "./PreviewPanel";
import { RecurrenceFields } from "./RecurrenceFields";
import { TimeFields } from "./TimeFields";
import { usePreview, useSave } from "./useSilences";

interface Props {
  start: SilenceFields;
  /** Id of the silence that is changed; a new one is made without. */
  id?: string;
}

/** What the parts of the form are given. */
export interface PartProps {
  fields: SilenceFields;
  mistakes: Partial<Record<keyof SilenceFields, string>>;
  change: (part: Partial<SilenceFields>) => void;
}

/** Makes or changes a silence, and shows what it would hide while one writes. */
export function SilenceForm({ start, id }: Props) {
  const [fields, setFields] = useState(start);
  const [tried, setTried] = useState(false);
  const [author] = useAuthor();
  const navigate = useNavigate();
  const save = useSave();
  const matchers = matchersMistake(fields.matchers);
  const draft = silenceOf(fields, author, id);
  const preview = usePreview(
    matchers === undefined
      ? { matchers: draft.matchers ?? [], ...(draft.recurrence && { recurrence: draft.recurrence }) }
      : undefined,
  );
  const submit = (e: FormEvent) => {
    e.preventDefault();
    setTried(true);
    if (author.trim() === "" || Object.keys(mistakesOf(fields, serverNow())).length > 0) return;
    save.mutate(draft, { onSuccess: () => void navigate("/silences") });
  };
  const change = (part: Partial<SilenceFields>) => setFields((before) => ({ ...before, ...part }));
  const mistakes = tried ? mistakesOf(fields, serverNow()) : {};
  // Matchers are looked at while one writes them; an empty field only when it is sent.
  const wrong = fields.matchers.trim() === "" && !tried ? undefined : matchers;
  return (
    <Box sx={columns}>
      <Panel title="Silence">
        <Box component="form" noValidate onSubmit={submit} sx={{ display: "grid", gap: 2, pt: 1.5 }}>
          <TextField
            size="small"
            label="Hides alerts whose labels match all of these"
            multiline
            minRows={3}
            value={fields.matchers}
            error={wrong !== undefined}
            helperText={wrong ?? 'One on each line: host_name="db1", severity!~"critical|warning"'}
            onChange={(e) => change({ matchers: e.target.value })}
            slotProps={{
              htmlInput: { spellCheck: false, autoCapitalize: "off" },
              formHelperText: wrong === undefined ? {} : { role: "alert" },
            }}
            sx={{
              "& textarea": { fontFamily: "ui-monospace, Menlo, Consolas, monospace", fontSize: "0.8125rem" },
            }}
          />
          <TimeFields fields={fields} mistakes={mistakes} change={change} />
          <FormControlLabel
            control={
              <Checkbox
                size="small"
                checked={fields.recurring}
                onChange={(e) => change({ recurring: e.target.checked })}
              />
            }
            label="Only in windows that come again and again, such as maintenance"
          />
          {fields.recurring && <RecurrenceFields fields={fields} mistakes={mistakes} change={change} />}
          <TextField
            required
            size="small"
            label="Why"
            multiline
            minRows={2}
            value={fields.comment}
            error={mistakes.comment !== undefined}
            helperText={mistakes.comment}
            onChange={(e) => change({ comment: e.target.value })}
          />
          <AuthorField error={tried && author.trim() === ""} />
          {save.isError && <Alert severity="error">{messageOf(save.error)}</Alert>}
          <Box sx={{ display: "flex", gap: 1 }}>
            <Button type="submit" variant="contained" loading={save.isPending}>
              {id === undefined ? "Silence" : "Save"}
            </Button>
            <Button component={RouterLink} to="/silences">
              Cancel
            </Button>
          </Box>
        </Box>
      </Panel>
      <PreviewPanel
        preview={preview.data}
        error={preview.error}
        waiting={matchers !== undefined}
        busy={preview.isPlaceholderData || preview.isFetching}
        recurring={fields.recurring}
      />
    </Box>
  );
}

const columns = {
  display: "grid",
  gap: 1.5,
  alignItems: "start",
  gridTemplateColumns: { xs: "minmax(0, 1fr)", lg: "minmax(0, 5fr) minmax(0, 7fr)" },
};
