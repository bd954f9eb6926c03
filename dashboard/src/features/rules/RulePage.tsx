import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Link from "@mui/material/Link";
import Skeleton from "@mui/material/Skeleton";
import { useCallback, useMemo } from "react";
import { Link as RouterLink, useNavigate, useParams } from "react-router";
import { ApiError, messageOf } from "../../api/errors";
import type { Rule } from "../../api/schema";
import { EpisodeLanes } from "../../components/charts/EpisodeLanes";
import { ExpressionChart } from "../../components/charts/ExpressionChart";
import { bandsOf, lanesOf } from "../../components/charts/episodes";
import { CopyButton } from "../../components/CopyButton";
import { FactList } from "../../components/FactList";
import { Notice } from "../../components/Notice";
import { PageHead } from "../../components/PageHead";
import { Panel } from "../../components/Panel";
import { SeverityMark } from "../../components/SeverityMark";
import { TimeRangePicker } from "../../components/TimeRangePicker";
import { formatCount, formatMoment, formatSeconds } from "../../lib/format";
import { int64, seconds, timestamp } from "../../lib/proto-json";
import { promDuration } from "../../lib/prom-duration";
import { safeLink } from "../../lib/safe-link";
import { HOUR, type TimeSelection } from "../../lib/time-range";
import { useNow } from "../../lib/useNow";
import { usePageTitle } from "../../lib/usePageTitle";
import { useTimeSelection } from "../../lib/useTimeSelection";
import { Health } from "./health";
import { useRule, useRuleEpisodes } from "./useRules";

const STANDARD: TimeSelection = { range: { kind: "last", ms: 3 * HOUR }, live: true };

/** One rule: its text, how it is, and what it looks at. */
export function RulePage() {
  const { ruleId = "" } = useParams();
  const rule = useRule(ruleId);
  const navigate = useNavigate();
  usePageTitle(rule.data?.name ?? "Rule");
  if (rule.isError && !rule.data) {
    const missing = rule.error instanceof ApiError && rule.error.kind === "not_found";
    return (
      <Notice
        page
        alert
        minHeight="60vh"
        title={missing ? "There is no such rule" : "The rule could not be loaded"}
        action={
          missing
            ? { label: "Go to the rules", run: () => void navigate("/rules") }
            : { label: "Try again", run: () => void rule.refetch() }
        }
      >
        {missing ? "It may have been renamed or removed from its file." : messageOf(rule.error)}
      </Notice>
    );
  }
  return rule.data ? <Detail rule={rule.data} /> : <Skeleton variant="rounded" height={320} aria-busy />;
}

function Detail({ rule }: { rule: Rule }) {
  return (
    <>
      <PageHead
        within={{ to: "/rules", title: "Rules" }}
        title={rule.name}
        marks={
          <>
            <SeverityMark severity={rule.severity} />
            <Health health={rule.health} error={rule.lastError} />
          </>
        }
      >
        <Button
          variant="outlined"
          component={RouterLink}
          to={`/rules/try?${new URLSearchParams({ rule: rule.id ?? "" }).toString()}`}
        >
          Try a change
        </Button>
      </PageHead>
      <Box sx={{ display: "grid", gap: 1.5 }}>
        <Facts rule={rule} />
        {rule.lastError && (
          <Box role="alert" sx={{ color: "error.main", overflowWrap: "anywhere", fontSize: "0.8125rem" }}>
            {rule.lastError}
          </Box>
        )}
        {rule.graph?.query && <GraphPanel rule={rule} />}
        <Panel title="Text" aside={<CopyButton text={rule.text ?? ""} />}>
          <Box
            component="pre"
            tabIndex={0}
            aria-label="Text of the rule"
            sx={{ m: 0, overflowX: "auto", fontSize: "0.8125rem" }}
          >
            <code>{rule.text}</code>
          </Box>
        </Panel>
      </Box>
    </>
  );
}

function Facts({ rule }: { rule: Rule }) {
  const now = useNow(5000);
  const runbook = safeLink(rule.runbook);
  const evaluated = timestamp(rule.evaluationTime);
  const span = (text: string | undefined) => {
    const s = seconds(text);
    return s ? promDuration(s) : undefined;
  };
  const firing = int64(rule.firing);
  const matcher = `alertname="${rule.name ?? ""}"`;
  return (
    <FactList
      facts={[
        ["File", `${rule.file ?? ""}${rule.line ? `:${rule.line}` : ""}`],
        ["Group", rule.group],
        ["Every", span(rule.interval)],
        ["For", span(rule.for)],
        ["Keeps firing for", span(rule.keepFiringFor)],
        ["Clears when", rule.clear && <code>{rule.clear}</code>],
        ["Schedule", rule.schedule],
        ["Without data", rule.noData],
        ["Owner", rule.owner],
        [
          "Firing",
          rule.recording ? undefined : (
            <Link
              component={RouterLink}
              to={`/alerts?${new URLSearchParams({ matcher }).toString()}`}
              underline="always"
            >
              {formatCount(firing)}
            </Link>
          ),
        ],
        ["Evaluated", evaluated === undefined ? "never" : formatMoment(evaluated, now)],
        ["Took", rule.evaluationDuration && formatSeconds(seconds(rule.evaluationDuration) ?? 0)],
        [
          "Runbook",
          runbook && (
            <Link href={runbook} target="_blank" rel="noopener noreferrer" underline="always">
              {runbook}
            </Link>
          ),
        ],
      ]}
    />
  );
}

/** Lanes that are shown; the rest of a fleet is a number. */
const LANES = 12;

function GraphPanel({ rule }: { rule: Rule }) {
  const now = useNow(10_000);
  const [selection, select] = useTimeSelection(STANDARD);
  const text = JSON.stringify(rule.graph ?? {});
  const graph = useMemo(() => JSON.parse(text) as NonNullable<Rule["graph"]>, [text]);
  const episodes = useRuleEpisodes(rule.id ?? "", selection).data;
  const bands = useMemo(() => bandsOf(episodes ?? [], now), [episodes, now]);
  const lanes = useMemo(() => lanesOf([episodes ?? []], now), [episodes, now]);
  const zoom = useCallback(
    (from: number, to: number) => select({ range: { kind: "between", from, to }, live: false }),
    [select],
  );
  return (
    <Panel
      title="What it looks at"
      aside="shaded: an alert of it fired; dashed: what the value is compared with"
    >
      <Box sx={{ display: "flex", justifyContent: "flex-end", mb: 1 }}>
        <TimeRangePicker
          range={selection.range}
          moving={selection.moving}
          span={selection}
          onSelect={select}
        />
      </Box>
      <ExpressionChart
        label={rule.name ?? "Value"}
        graph={graph}
        selection={selection}
        bands={bands}
        onZoom={zoom}
      />
      {lanes.length > 0 && (
        <>
          <EpisodeLanes label="When it fired" lanes={lanes.slice(0, LANES)} span={selection} />
          {lanes.length > LANES && (
            <Box sx={{ color: "text.secondary", fontSize: "0.75rem", pt: 0.5 }}>
              and on {formatCount(lanes.length - LANES)} others
            </Box>
          )}
        </>
      )}
    </Panel>
  );
}
