import Alert from "@mui/material/Alert";
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { useSearchParams } from "react-router";
import { messageOf } from "../../api/errors";
import { rulesApi } from "../../api/rules";
import { bandsOf, hostOfEpisode } from "../../components/charts/episodes";
import { CopyButton } from "../../components/CopyButton";
import { PageHead } from "../../components/PageHead";
import { HOUR, type TimeSelection } from "../../lib/time-range";
import { usePageTitle } from "../../lib/usePageTitle";
import { useTimeSelection } from "../../lib/useTimeSelection";
import { BacktestLanes } from "./BacktestLanes";
import { BacktestPanel } from "./BacktestPanel";
import { VERSIONS } from "./compare";
import { EditorPanel } from "./EditorPanel";
import { Preview } from "./Preview";
import { asSavedFile } from "./rule-text";
import { useBacktest } from "./useBacktest";
import { useCheck } from "./useCheck";
import { useDraft } from "./useDraft";

const STANDARD: TimeSelection = { range: { kind: "last", ms: 24 * HOUR }, live: true };

/** Tries rules: what is wrong with them, what they look at, what they would have done. */
export function TryPage() {
  usePageTitle("Try a rule");
  const [draft, change] = useDraft();
  const loadError = useLoaded((text) => change({ text }));
  const [selection, select] = useTimeSelection(STANDARD);
  const checked = useCheck(draft.text);
  const otherChecked = useCheck(draft.other ?? "");
  const run = useBacktest(({ from, to }) => select({ range: { kind: "between", from, to }, live: false }));
  const [host, setHost] = useState<string>();
  const { result } = run;
  const bands = useMemo(() => {
    const episodes = result?.versions[0]?.episodes ?? [];
    const shown = host === undefined ? episodes : episodes.filter((e) => hostOfEpisode(e) === host);
    return bandsOf(shown, result?.span.to ?? 0);
  }, [result, host]);
  const comparing = draft.other !== undefined;
  const ready =
    draft.text.trim() !== "" &&
    !checked.busy &&
    checked.problems.length === 0 &&
    (!draft.other?.trim() || (!otherChecked.busy && otherChecked.problems.length === 0));

  const preview = (
    <Preview rules={checked.rules} selection={selection} select={select} bands={bands}>
      {result && <BacktestLanes result={result} span={selection} host={host} onHost={setHost} />}
    </Preview>
  );
  return (
    <>
      <PageHead within={{ to: "/rules", title: "Rules" }} title="Try a rule">
        <Button variant="outlined" onClick={() => change({ other: comparing ? undefined : draft.text })}>
          {comparing ? "Compare with nothing" : "Compare with another version"}
        </Button>
        <CopyButton text={asSavedFile(draft.text)} label="Copy as a file" />
      </PageHead>
      {loadError && (
        <Alert severity="error" sx={{ mb: 1.5 }}>
          The rule could not be loaded: {messageOf(loadError)}
        </Alert>
      )}
      <Box sx={{ display: "grid", gap: 1.5 }}>
        <Box sx={comparing || !result ? columns : one}>
          <EditorPanel
            title={comparing ? VERSIONS[0] : "Rule"}
            aside="YAML: one rule, or a group"
            text={draft.text}
            onChange={(text) => change({ text })}
            checked={checked}
          />
          {comparing && (
            <EditorPanel
              title={VERSIONS[1]}
              aside="compared in the backtest"
              text={draft.other ?? ""}
              onChange={(other) => change({ other })}
              checked={otherChecked}
            />
          )}
          {!comparing && !result && preview}
        </Box>
        {(comparing || result) && preview}
        <BacktestPanel draft={draft} ready={ready} selection={selection} run={run} />
        <HowToSave />
      </Box>
    </>
  );
}

const one = { display: "grid", gridTemplateColumns: "minmax(0, 1fr)" };
const columns = {
  display: "grid",
  gap: 1.5,
  gridTemplateColumns: { xs: "minmax(0, 1fr)", lg: "repeat(2, minmax(0, 1fr))" },
};

/** Fills the editor with the rule that the URL names, once. */
function useLoaded(fill: (text: string) => void): Error | null {
  const [params, setParams] = useSearchParams();
  const id = params.get("rule") ?? "";
  const rule = useQuery({
    queryKey: ["rules", "one", id],
    queryFn: ({ signal }) => rulesApi.get(id, signal),
    enabled: id !== "",
  });
  const text = rule.data?.text;
  const filled = useRef("");
  useEffect(() => {
    if (text === undefined || id === "" || filled.current === id) return;
    filled.current = id;
    fill(text);
    // A reload must not undo what is written from here on.
    setParams(
      (current) => {
        const next = new URLSearchParams(current);
        next.delete("rule");
        return next;
      },
      { replace: true },
    );
  }, [text, id, fill, setParams]);
  return rule.error;
}

function HowToSave() {
  return (
    <Alert severity="info" variant="outlined">
      Nothing here changes what is evaluated. Rules are files: copy the text into a file such as{" "}
      <code>rules/own.yaml</code> of the configuration directory on the server. It is read again as soon as it
      changes; a file with a mistake is refused as a whole, and the page of rules says which line is wrong.
    </Alert>
  );
}
