import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Link from "@mui/material/Link";
import Typography from "@mui/material/Typography";
import { useState, type ReactNode } from "react";
import { Link as RouterLink } from "react-router";
import { messageOf } from "../../api/errors";
import type { AlertDetail } from "../../api/schema";
import { AcknowledgeDialog } from "../../components/alerts/AcknowledgeDialog";
import { AlertStateMark, Remarks } from "../../components/alerts/AlertState";
import { useUnacknowledge } from "../../components/alerts/useAlerts";
import {
  hostOf,
  sinceTime,
  stateName,
  summaryOf,
  thresholdText,
  valueText,
} from "../../components/alerts/words";
import { FactList } from "../../components/FactList";
import { PageHead } from "../../components/PageHead";
import { SeverityMark } from "../../components/SeverityMark";
import { useAuthor } from "../../lib/author";
import { formatMoment, formatSeconds } from "../../lib/format";
import { matchersOf, writeMatchers } from "../../lib/matchers";
import { timestamp } from "../../lib/proto-json";
import { safeLink } from "../../lib/safe-link";

/** Says which alert the page is about and how it is, and what can be done. */
export function AlertHeader({ detail, now }: { detail: AlertDetail; now: number }) {
  const alert = detail.alert ?? {};
  const since = sinceTime(alert);
  const evaluated = timestamp(alert.evaluationTime);
  const host = hostOf(alert);
  const threshold = thresholdText(alert);
  const runbook = safeLink(detail.rule?.runbook ?? alert.annotations?.runbook_url);
  const source = safeLink(alert.generatorUrl);
  return (
    <Box component="header" sx={{ mb: 1.5 }}>
      <PageHead
        within={{ to: "/alerts", title: "Alerts" }}
        title={alert.labels?.alertname ?? "Alert"}
        marks={
          <>
            <SeverityMark severity={alert.labels?.severity} />
            <AlertStateMark alert={alert} />
          </>
        }
      >
        <Actions detail={detail} />
      </PageHead>
      <Box sx={{ display: "grid", gap: 0.75 }}>
        {summaryOf(alert) && (
          <Typography sx={{ fontSize: "0.9375rem", overflowWrap: "anywhere" }}>{summaryOf(alert)}</Typography>
        )}
        <FactList
          facts={[
            ["Value", `${valueText(alert)}${threshold && ` ${threshold}`}`],
            [
              "Since",
              since === undefined
                ? undefined
                : `${formatMoment(since, now)} (${formatSeconds(Math.max(0, Math.round((now - since) / 1000)))})`,
            ],
            ["Evaluated", evaluated === undefined ? undefined : formatMoment(evaluated, now)],
            [
              "Host",
              host && <Inside to={`/hosts?${new URLSearchParams({ q: host }).toString()}`}>{host}</Inside>,
            ],
            ["Told to", alert.receivers?.join(", ")],
            [
              "Rule",
              alert.ruleId && (
                <Inside to={`/rules/${encodeURIComponent(alert.ruleId)}`}>{alert.ruleId}</Inside>
              ),
            ],
            ["Runbook", runbook && <Outside to={runbook} />],
            ["Source", !alert.ruleId && source ? <Outside to={source} /> : undefined],
          ]}
        />
        <Box sx={{ fontSize: "0.8125rem" }}>
          <Remarks alert={alert} now={now} reasons />
        </Box>
        <Because detail={detail} />
      </Box>
    </Box>
  );
}

/** Links to what keeps the alert from being told. */
function Because({ detail }: { detail: AlertDetail }) {
  const silences = detail.alert?.silencedBy ?? [];
  const inhibitors = detail.alert?.inhibitedBy ?? [];
  if (silences.length + inhibitors.length === 0) return null;
  return (
    <Box sx={{ display: "flex", flexWrap: "wrap", columnGap: 2, fontSize: "0.8125rem" }}>
      {silences.map((id, i) => (
        <Inside key={id} to={`/silences/${encodeURIComponent(id)}`}>
          The silence{silences.length > 1 && ` ${i + 1}`}
        </Inside>
      ))}
      {inhibitors.map((id, i) => (
        <Inside key={id} to={`/alerts/${encodeURIComponent(id)}`}>
          The alert that explains it{inhibitors.length > 1 && ` ${i + 1}`}
        </Inside>
      ))}
    </Box>
  );
}

function Actions({ detail: { alert = {} } }: { detail: AlertDetail }) {
  const [asking, setAsking] = useState(false);
  const matcher = writeMatchers(matchersOf(alert.labels ?? {}));
  const acknowledged = alert.acknowledgement !== undefined;
  return (
    <>
      {acknowledged && <Unacknowledge id={alert.id ?? ""} />}
      <Button
        variant="outlined"
        disabled={stateName(alert.state) === "resolved"}
        onClick={() => setAsking(true)}
      >
        {acknowledged ? "Change acknowledgement …" : "Acknowledge …"}
      </Button>
      <Button
        variant="outlined"
        component={RouterLink}
        to={`/silences/new?${new URLSearchParams({ matcher }).toString()}`}
      >
        Silence …
      </Button>
      {asking && (
        <AcknowledgeDialog
          ids={[alert.id ?? ""]}
          onCancel={() => setAsking(false)}
          onDone={() => setAsking(false)}
        />
      )}
    </>
  );
}

function Unacknowledge({ id }: { id: string }) {
  const [author] = useAuthor();
  const unacknowledge = useUnacknowledge();
  return (
    <>
      <Button
        loading={unacknowledge.isPending}
        onClick={() => unacknowledge.mutate({ ids: [id], author: author || "somebody" })}
      >
        Take acknowledgement back
      </Button>
      {unacknowledge.isError && (
        <Box role="alert" sx={{ color: "error.main", fontSize: "0.8125rem", alignSelf: "center" }}>
          {messageOf(unacknowledge.error)}
        </Box>
      )}
    </>
  );
}

function Inside({ to, children }: { to: string; children: ReactNode }) {
  return (
    <Link component={RouterLink} to={to} underline="always">
      {children}
    </Link>
  );
}

function Outside({ to }: { to: string }) {
  return (
    <Link href={to} target="_blank" rel="noopener noreferrer" underline="always">
      {to}
    </Link>
  );
}
