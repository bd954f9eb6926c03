import Alert from "@mui/material/Alert";
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import LinearProgress from "@mui/material/LinearProgress";
import type { ReactNode } from "react";
import { messageOf } from "../../api/errors";
import { Panel } from "../../components/Panel";
import { describeRange } from "../../lib/time-range";
import type { Selection } from "../../lib/useTimeSelection";
import { BacktestResult } from "./BacktestResult";
import { formOf } from "./rule-text";
import type { BacktestRun } from "./useBacktest";
import type { Draft } from "./useDraft";

interface Props {
  draft: Draft;
  /** Whether the rule has no mistakes. */
  ready: boolean;
  selection: Selection;
  run: BacktestRun;
}

/** Runs the rule over stored history and shows what it would have done. */
export function BacktestPanel({ draft, ready, selection, run }: Props) {
  const file = [draft.text, draft.other ?? ""].some((text) => formOf(text) === "file");
  const { result } = run;
  const outdated = result && (result.text !== draft.text || result.other !== draft.other);
  return (
    <Panel title="Backtest" aside="what it would have done with the data there is">
      <Box sx={{ display: "grid", gap: 1.5 }}>
        <Box sx={{ display: "flex", flexWrap: "wrap", alignItems: "center", gap: 1.5 }}>
          <Button
            variant="contained"
            disabled={!ready || file}
            loading={run.pending}
            onClick={() => run.start(draft, selection)}
          >
            Run over {describeRange(selection.range).toLowerCase().replace(/^last/, "the last")}
          </Button>
          {run.pending && <Button onClick={run.cancel}>Cancel</Button>}
          <Box component="span" role="status" sx={{ color: "text.secondary", fontSize: "0.8125rem" }}>
            {file
              ? "A backtest takes one rule, or one group: leave “groups:” out."
              : !ready
                ? "Put the mistakes right first."
                : outdated
                  ? "What is shown is of an older text."
                  : ""}
          </Box>
        </Box>
        {run.pending && <LinearProgress aria-label="The backtest runs" />}
        {run.error && <Alert severity="error">{messageOf(run.error)}</Alert>}
        {result && result.problems.length > 0 && (
          <Alert severity="error">
            {result.problems.map((p, i) => (
              <div key={i}>{[p.field, p.message].filter(Boolean).join(": ")}</div>
            ))}
          </Alert>
        )}
        {result && result.versions.length > 0 && (
          <Dimmed when={outdated ?? false}>
            <BacktestResult versions={result.versions} />
          </Dimmed>
        )}
      </Box>
    </Panel>
  );
}

function Dimmed({ when, children }: { when: boolean; children: ReactNode }) {
  return <Box sx={{ opacity: when ? 0.6 : 1, transition: "opacity 150ms", minWidth: 0 }}>{children}</Box>;
}
