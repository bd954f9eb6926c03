import TextField from "@mui/material/TextField";
import { useAuthor } from "../lib/author";

/** Asks who acts, and remembers it: there are no logins yet. */
export function AuthorField({ error }: { error?: boolean }) {
  const [author, setAuthor] = useAuthor();
  return (
    <TextField
      required
      size="small"
      label="Your name"
      autoComplete="name"
      value={author}
      error={error ?? false}
      helperText={error ? "Say who you are: others see it." : undefined}
      onChange={(e) => setAuthor(e.target.value)}
    />
  );
}
