import Box from "@mui/material/Box";
import Skeleton from "@mui/material/Skeleton";
import { useCallback, useMemo } from "react";
import { useNavigate, useParams } from "react-router";
import { ApiError, messageOf } from "../../api/errors";
import type { AlertDetail, Graph } from "../../api/schema";
import { ExpressionChart } from "../../components/charts/ExpressionChart";
import { Labels } from "../../components/Labels";
import { Notice } from "../../components/Notice";
import { NotificationsTable } from "../../components/NotificationsTable";
import { Panel } from "../../components/Panel";
import { TimeRangePicker } from "../../components/TimeRangePicker";
import { HOUR, type TimeSelection } from "../../lib/time-range";
import { useNow } from "../../lib/useNow";
import { usePageTitle } from "../../lib/usePageTitle";
import { useTimeSelection } from "../../lib/useTimeSelection";
import { AlertHeader } from "./AlertHeader";
import { Annotations } from "./Annotations";
import { bandsOf } from "../../components/charts/episodes";
import { EpisodesPanel } from "./EpisodesPanel";
import { History } from "./History";
import { useAlert, useEpisodes, useNotificationsOf } from "./useAlert";

const STANDARD: TimeSelection = { range: { kind: "last", ms: 3 * HOUR }, live: true };

/** One alert: how it is, what it looks at, and what happened to it. */
export function AlertPage() {
  const { alertId = "" } = useParams();
  const alert = useAlert(alertId);
  const navigate = useNavigate();
  usePageTitle(alert.data?.alert?.labels?.alertname ?? "Alert");
  if (alert.isError && !alert.data) {
    const missing = alert.error instanceof ApiError && alert.error.kind === "not_found";
    return (
      <Notice
        page
        alert
        minHeight="60vh"
        title={missing ? "There is no such alert" : "The alert could not be loaded"}
        action={
          missing
            ? { label: "Go to the alerts", run: () => void navigate("/alerts") }
            : { label: "Try again", run: () => void alert.refetch() }
        }
      >
        {missing ? "It was resolved a while ago and is not kept any more." : messageOf(alert.error)}
      </Notice>
    );
  }
  return alert.data ? <Detail detail={alert.data} /> : <Loading />;
}

function Detail({ detail }: { detail: AlertDetail }) {
  const now = useNow(5000);
  const [selection, select] = useTimeSelection(STANDARD);
  const alert = detail.alert ?? {};
  const inRange = useEpisodes(alert.id ?? "", selection);
  const bands = useMemo(
    () => bandsOf(inRange.data ?? detail.episodes ?? [], now),
    [inRange.data, detail.episodes, now],
  );
  const zoom = useCallback(
    (from: number, to: number) => select({ range: { kind: "between", from, to }, live: false }),
    [select],
  );
  const graph = useGraph(detail);
  return (
    <>
      <AlertHeader detail={detail} now={now} />
      <Box sx={{ display: "grid", gap: 1.5 }}>
        {graph && (
          <Panel
            title="What the rule looks at"
            aside="shaded: it fired; dashed: what the value is compared with"
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
              label={alert.labels?.alertname ?? "Value"}
              graph={graph}
              selection={selection}
              bands={bands}
              onZoom={zoom}
            />
            <Box
              component="code"
              sx={{ display: "block", mt: 1, color: "text.secondary", overflowWrap: "anywhere" }}
            >
              {graph.query}
            </Box>
          </Panel>
        )}
        <Box sx={pairs}>
          <Panel title="Labels">
            <Labels labels={alert.labels ?? {}} />
          </Panel>
          <Annotations annotations={alert.annotations ?? {}} />
        </Box>
        <Box sx={pairs}>
          <History events={detail.events ?? []} unit={alert.unit} now={now} />
          <EpisodesPanel episodes={detail.episodes ?? []} unit={alert.unit} now={now} />
        </Box>
        <Notifications alertId={alert.id ?? ""} now={now} />
      </Box>
    </>
  );
}

const pairs = {
  display: "grid",
  gap: 1.5,
  gridTemplateColumns: { xs: "minmax(0, 1fr)", lg: "repeat(2, minmax(0, 1fr))" },
};

/** The graph stays the same thing as long as it says the same: it is asked for every few seconds. */
function useGraph(detail: AlertDetail): Graph | undefined {
  const text = JSON.stringify(detail.graph ?? null);
  return useMemo(() => {
    const graph = JSON.parse(text) as Graph | null;
    return graph?.query ? graph : undefined;
  }, [text]);
}

function Notifications({ alertId, now }: { alertId: string; now: number }) {
  const list = useNotificationsOf(alertId);
  return (
    <Panel title="Notifications" aside="newest first" padded={false}>
      {list.data?.notifications.length ? (
        <NotificationsTable label="Notifications" notifications={list.data.notifications} now={now} />
      ) : (
        <Notice
          title={
            list.isPending
              ? "Loading"
              : list.isError
                ? "They could not be loaded"
                : "Nobody was told about it"
          }
          minHeight={80}
        >
          {list.isError && messageOf(list.error)}
        </Notice>
      )}
    </Panel>
  );
}

function Loading() {
  return (
    <Box aria-busy>
      <Skeleton width={280} height={32} />
      <Skeleton width={480} />
      <Skeleton variant="rounded" height={300} sx={{ mt: 1.5 }} />
    </Box>
  );
}
