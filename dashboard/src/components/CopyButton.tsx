import Button from "@mui/material/Button";
import { useEffect, useRef, useState } from "react";

const SHOWN = 2000;

/** Puts text on the clipboard and says so. */
export function CopyButton({ text, label = "Copy" }: { text: string; label?: string }) {
  const [said, setSaid] = useState("");
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async () => {
    clearTimeout(timer.current);
    try {
      await navigator.clipboard.writeText(text);
      setSaid("Copied");
    } catch {
      // Browsers give the clipboard to pages of https and of localhost only.
      setSaid("Not allowed: mark and copy it");
    }
    timer.current = setTimeout(() => setSaid(""), SHOWN);
  };
  return (
    <Button variant="outlined" onClick={() => void copy()}>
      <span aria-live="polite">{said || label}</span>
    </Button>
  );
}
