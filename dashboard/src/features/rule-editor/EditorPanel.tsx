import Alert from "@mui/material/Alert";
import Box from "@mui/material/Box";
import Skeleton from "@mui/material/Skeleton";
import { lazy, Suspense, type ReactNode } from "react";
import { messageOf } from "../../api/errors";
import { Panel } from "../../components/Panel";
import type { TextProblem } from "./rule-text";
import type { Checked } from "./useCheck";

const CodeEditor = lazy(() => import("./CodeEditor"));

interface Props {
  title: string;
  aside?: ReactNode;
  text: string;
  onChange: (text: string) => void;
  checked: Checked;
}

/** An editor for a rule, with what is wrong below it. */
export function EditorPanel({ title, aside, text, onChange, checked }: Props) {
  return (
    <Panel title={title} aside={aside} padded={false}>
      <Suspense fallback={<Skeleton variant="rectangular" height={262} aria-label="Loading the editor" />}>
        <CodeEditor label={title} value={text} onChange={onChange} problems={checked.problems} />
      </Suspense>
      <Box sx={{ p: 1.5, borderTop: 1, borderColor: "divider", fontSize: "0.8125rem", minHeight: 46 }}>
        <Verdict checked={checked} empty={text.trim() === ""} />
      </Box>
    </Panel>
  );
}

function Verdict({ checked, empty }: { checked: Checked; empty: boolean }) {
  if (checked.error) return <Alert severity="error">{messageOf(checked.error)}</Alert>;
  if (checked.problems.length > 0) return <ProblemList problems={checked.problems} />;
  const text = empty
    ? "Write a rule, or a group of rules."
    : checked.busy
      ? "Checking …"
      : "No mistakes found.";
  return (
    <Box role="status" sx={{ color: empty || checked.busy ? "text.secondary" : "success.main" }}>
      {text}
    </Box>
  );
}

function ProblemList({ problems }: { problems: readonly TextProblem[] }) {
  return (
    <Box role="alert" aria-label="Mistakes" sx={{ color: "error.main" }}>
      <Box component="ul" sx={{ m: 0, pl: 2.5 }}>
        {problems.map((p, i) => (
          <Box component="li" key={i} sx={{ overflowWrap: "anywhere" }}>
            {p.line > 0 && `Line ${p.line}: `}
            {p.message}
          </Box>
        ))}
      </Box>
    </Box>
  );
}
