import InputAdornment from "@mui/material/InputAdornment";
import TextField from "@mui/material/TextField";
import { useEffect, useRef, useState } from "react";
import { parseMatchers } from "../lib/matchers";
import { SearchIcon } from "./icons";

interface Props {
  label: string;
  value: string;
  /** Called a moment after the last key, with matchers that can be read. */
  onChange: (value: string) => void;
  /** What the server says about the matchers. */
  refusal?: string | undefined;
}

const PAUSE = 300;

/** A field for matchers that says what is wrong with them while one types. */
export function MatcherField({ label, value, onChange, refusal }: Props) {
  const [text, setText] = useState(value);
  const [from, setFrom] = useState(value);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  // The value may change from outside too, as by the browser's back button.
  if (value !== from) {
    setFrom(value);
    setText(value);
  }
  useEffect(() => () => clearTimeout(timer.current), []);
  const parsed = parseMatchers(text);
  const wrong = parsed.ok ? (text === value ? refusal : undefined) : parsed.error;
  const change = (next: string) => {
    setText(next);
    clearTimeout(timer.current);
    if (parseMatchers(next).ok) timer.current = setTimeout(() => onChange(next.trim()), PAUSE);
  };
  return (
    <TextField
      size="small"
      value={text}
      error={wrong !== undefined}
      helperText={wrong}
      placeholder='severity="critical", host_name=~"db.*"'
      onChange={(e) => change(e.target.value)}
      sx={{
        flex: "1 1 300px",
        "& .MuiInputBase-root": { bgcolor: "background.paper", fontSize: "0.875rem" },
        "& input": { py: 0.625 },
      }}
      slotProps={{
        htmlInput: { "aria-label": label, type: "search", spellCheck: false, autoCapitalize: "off" },
        input: {
          startAdornment: (
            <InputAdornment position="start">
              <SearchIcon fontSize="small" />
            </InputAdornment>
          ),
        },
        formHelperText: { role: "alert" },
      }}
    />
  );
}
