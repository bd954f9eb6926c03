import IconButton from "@mui/material/IconButton";
import InputAdornment from "@mui/material/InputAdornment";
import OutlinedInput from "@mui/material/OutlinedInput";
import { useEffect, useRef, useState } from "react";
import { CloseIcon, SearchIcon } from "./icons";

interface Props {
  label: string;
  value: string;
  /** Called a moment after the last key. */
  onChange: (value: string) => void;
}

const PAUSE = 250;

/** A field that filters while one types. */
export function SearchField({ label, value, onChange }: Props) {
  const [text, setText] = useState(value);
  const [from, setFrom] = useState(value);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  // The value may change from outside too, as by the browser's back button.
  if (value !== from) {
    setFrom(value);
    setText(value);
  }
  useEffect(() => () => clearTimeout(timer.current), []);
  const change = (next: string, pause = PAUSE) => {
    setText(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onChange(next.trim()), pause);
  };
  return (
    <OutlinedInput
      size="small"
      value={text}
      placeholder={label}
      inputProps={{ "aria-label": label, type: "search", spellCheck: false }}
      onChange={(e) => change(e.target.value)}
      startAdornment={
        <InputAdornment position="start">
          <SearchIcon fontSize="small" />
        </InputAdornment>
      }
      endAdornment={
        <IconButton
          aria-label="Clear the filter"
          onClick={() => change("", 0)}
          sx={{ visibility: text ? "visible" : "hidden" }}
        >
          <CloseIcon fontSize="small" />
        </IconButton>
      }
      sx={{
        width: { xs: "100%", sm: 260 },
        bgcolor: "background.paper",
        fontSize: "0.875rem",
        "& input": { py: 0.75 },
        "& input::-webkit-search-cancel-button": { display: "none" },
      }}
    />
  );
}
