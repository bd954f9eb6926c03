import Box from "@mui/material/Box";
import Typography from "@mui/material/Typography";
import { useMemo } from "react";
import { useSearchParams } from "react-router";
import { messageOf } from "../../api/errors";
import type { Agent } from "../../api/schema";
import { Notice } from "../../components/Notice";
import { Pager } from "../../components/Pager";
import { SearchField } from "../../components/SearchField";
import { formatCount } from "../../lib/format";
import { useNow } from "../../lib/useNow";
import { usePages } from "../../lib/usePages";
import { usePageTitle } from "../../lib/usePageTitle";
import { EnrolHelp } from "./EnrolHelp";
import { HostsTable } from "./HostsTable";
import { parseView, sortBy, sortRows, writeView, type ListView } from "./list-view";
import { hostKey, useAgents, useHostValues, useTrends, type HostRow } from "./useHostList";

const none: readonly Agent[] = [];

/** All hosts, as far as they fit on a page. */
export function HostsPage() {
  usePageTitle("Hosts");
  const [params] = useSearchParams();
  const view = useMemo(() => parseView(params), [params]);
  const pages = usePages(view, writeView);

  const list = useAgents(view);
  const agents = list.data?.agents ?? none;
  const rows = useRows(agents, view);
  const now = useNow(5000);
  const total = list.data?.totalSize ?? 0;
  const partly = total > agents.length && view.sort !== "name";

  return (
    <>
      <Box sx={{ display: "flex", flexWrap: "wrap", alignItems: "center", gap: 1.5, mb: 1.5 }}>
        <Typography variant="h1">Hosts</Typography>
        <Typography role="status" sx={{ color: "text.secondary", minWidth: 90 }}>
          {list.data && `${formatCount(total)}${view.q ? " found" : ""}`}
        </Typography>
        <Box sx={{ ml: "auto", width: { xs: 1, sm: "auto" } }}>
          <SearchField
            label="Filter by host name"
            value={view.q}
            onChange={(q) => pages.show({ ...view, q }, { replace: true })}
          />
        </Box>
      </Box>
      {list.isError && !list.data ? (
        <Notice
          alert
          title="The hosts could not be loaded"
          minHeight={320}
          action={{ label: "Try again", run: () => void list.refetch() }}
        >
          {messageOf(list.error)}
        </Notice>
      ) : list.data && agents.length === 0 ? (
        <NothingFound view={view} onClear={() => pages.show({ ...view, q: "" })} />
      ) : (
        <>
          <HostsTable
            rows={list.data && rows}
            view={view}
            now={now}
            dimmed={list.isPlaceholderData}
            onSort={(key) => pages.show(sortBy(view, key), { replace: true, keepPage: true })}
          />
          <Pager
            page={view.page}
            size={view.size}
            shown={agents.length}
            total={total}
            onPrevious={pages.previous}
            onNext={pages.next(list.data?.nextPageToken)}
            onSize={(size) => pages.show({ ...view, size })}
          />
          {partly && (
            <Typography variant="caption" sx={{ color: "text.secondary" }}>
              The server lists hosts by name; the other columns sort the hosts of this page.
            </Typography>
          )}
        </>
      )}
    </>
  );
}

function useRows(agents: readonly Agent[], view: ListView): HostRow[] {
  const values = useHostValues(agents).data;
  const trends = useTrends(agents).data;
  return useMemo(() => {
    const rows = agents.map((agent) => {
      const key = hostKey(agent);
      return { agent, values: values?.get(key) ?? {}, trend: trends?.get(key) ?? [] };
    });
    return sortRows(rows, view);
  }, [agents, values, trends, view]);
}

function NothingFound({ view, onClear }: { view: ListView; onClear: () => void }) {
  if (view.q === "" && view.token === "") return <EnrolHelp />;
  return (
    <Notice title="No host found" minHeight={320} action={{ label: "Show all hosts", run: onClear }}>
      {view.q ? `No host’s name contains “${view.q}”.` : "This page of the list is empty by now."}
    </Notice>
  );
}
