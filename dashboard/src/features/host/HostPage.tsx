import Box from "@mui/material/Box";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import { useNavigate, useParams } from "react-router";
import { api } from "../../api/client";
import { ApiError, messageOf } from "../../api/errors";
import type { Agent } from "../../api/schema";
import { CursorProvider, newCursor } from "../../components/charts/cursor";
import { Notice } from "../../components/Notice";
import { TimeRangePicker } from "../../components/TimeRangePicker";
import { ofHost } from "../../lib/promql";
import { usePageTitle } from "../../lib/usePageTitle";
import { ChartPanel } from "./ChartPanel";
import { ConsumersTable } from "./ConsumersTable";
import { FilesystemsTable } from "./FilesystemsTable";
import { HostAlerts } from "./HostAlerts";
import { HostHeader } from "./HostHeader";
import { PANELS } from "./panels";
import { useFacts } from "./useHostTables";
import { useTimeSelection } from "../../lib/useTimeSelection";

/** One host: what it is and how it does. */
export function HostPage() {
  const { agentId = "" } = useParams();
  const agent = useQuery({
    queryKey: ["agent", agentId],
    queryFn: ({ signal }) => api.agent(agentId, signal),
    refetchInterval: 10_000,
  });
  const navigate = useNavigate();
  usePageTitle(agent.data?.hostName ?? "Host");
  if (agent.isError && !agent.data) {
    const missing = agent.error instanceof ApiError && agent.error.kind === "not_found";
    return (
      <Notice
        page
        alert
        minHeight="60vh"
        title={missing ? "There is no such host" : "The host could not be loaded"}
        action={
          missing
            ? { label: "Go to the hosts", run: () => void navigate("/hosts") }
            : { label: "Try again", run: () => void agent.refetch() }
        }
      >
        {missing ? "It may have been removed, or the link is not complete." : messageOf(agent.error)}
      </Notice>
    );
  }
  return agent.data ? (
    <Host agent={agent.data} />
  ) : (
    <HostHeader agent={undefined} facts={undefined} children={null} />
  );
}

function Host({ agent }: { agent: Agent }) {
  const { hostName = "", hostId = "" } = agent;
  const of = useMemo(() => ofHost({ hostName, hostId }), [hostName, hostId]);
  const [cursor] = useState(newCursor);
  const [selection, select] = useTimeSelection();
  const facts = useFacts(of);
  const zoom = useCallback(
    (from: number, to: number) => select({ range: { kind: "between", from, to }, live: false }),
    [select],
  );
  return (
    <CursorProvider value={cursor}>
      <HostHeader agent={agent} facts={facts.data}>
        <TimeRangePicker
          range={selection.range}
          moving={selection.moving}
          span={selection}
          onSelect={select}
        />
      </HostHeader>
      <HostAlerts of={of} />
      <Box
        sx={{
          display: "grid",
          gap: 1.5,
          gridTemplateColumns: { xs: "minmax(0, 1fr)", lg: "repeat(2, minmax(0, 1fr))" },
        }}
      >
        {PANELS.map((spec) => (
          <ChartPanel key={spec.id} spec={spec} of={of} selection={selection} onZoom={zoom} />
        ))}
        <ConsumersTable of={of} />
        <FilesystemsTable of={of} />
      </Box>
    </CursorProvider>
  );
}
