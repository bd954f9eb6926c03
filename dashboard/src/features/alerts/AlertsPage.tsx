import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Typography from "@mui/material/Typography";
import { useCallback, useMemo, useState } from "react";
import { useNavigate, useSearchParams } from "react-router";
import { ApiError, messageOf } from "../../api/errors";
import type { Alert } from "../../api/schema";
import { Notice } from "../../components/Notice";
import { Pager } from "../../components/Pager";
import { Sheet } from "../../components/Sheet";
import { formatCount } from "../../lib/format";
import { writeMatchers } from "../../lib/matchers";
import { useNow } from "../../lib/useNow";
import { usePages } from "../../lib/usePages";
import { usePageTitle } from "../../lib/usePageTitle";
import { AcknowledgeDialog } from "../../components/alerts/AcknowledgeDialog";
import { AlertFilters } from "./AlertFilters";
import { AlertsTable } from "../../components/alerts/AlertsTable";
import { filtered, filterOf, parseView, writeView } from "./alert-view";
import { GroupsTable } from "./GroupsTable";
import { silenceMatchers } from "./selection";
import { useAlertCounts, useAlertGroups, useAlerts } from "../../components/alerts/useAlerts";

/** All alerts, as far as they fit on a page. */
export function AlertsPage() {
  usePageTitle("Alerts");
  const [params] = useSearchParams();
  const view = useMemo(() => parseView(params), [params]);
  const pages = usePages(view, writeView);
  const filter = useMemo(() => filterOf(view), [view]);
  const page = { pageSize: view.size, ...(view.token && { pageToken: view.token }) };
  const grouped = view.group !== "";
  const list = useAlerts(filter && !grouped ? { ...filter, ...page } : undefined);
  const groups = useAlertGroups(filter && view.group ? { ...filter, ...page, by: view.group } : undefined);
  const groupCounts = useAlertCounts(grouped ? filter : undefined);
  const [selected, select, clear] = useSelection();
  const now = useNow(5000);

  const shown = grouped ? groups : list;
  const total = shown.data?.totalSize;
  const rows = grouped ? groups.data?.groups.length : list.data?.alerts.length;
  const refused =
    shown.error instanceof ApiError && shown.error.kind === "refused" ? messageOf(shown.error) : undefined;

  return (
    <>
      <Box sx={{ display: "flex", flexWrap: "wrap", alignItems: "baseline", gap: 1.5, mb: 1.5 }}>
        <Typography variant="h1">Alerts</Typography>
        <Typography role="status" sx={{ color: "text.secondary", minWidth: 90 }}>
          {total !== undefined &&
            `${formatCount(total)}${grouped ? " groups" : filtered(view) ? " found" : ""}`}
        </Typography>
      </Box>
      <AlertFilters
        view={view}
        counts={grouped ? groupCounts : list.data?.counts}
        refusal={refused}
        onChange={(next, replace = false) => pages.show(next, { replace })}
      />
      <Chosen selected={selected} onDone={clear} />
      {!filter ? (
        <Notice title="The matchers cannot be read" minHeight={320}>
          Put them right, and the alerts they match are here.
        </Notice>
      ) : shown.isError && !shown.data ? (
        <Notice
          alert
          title="The alerts could not be loaded"
          minHeight={320}
          action={{ label: "Try again", run: () => void shown.refetch() }}
        >
          {messageOf(shown.error)}
        </Notice>
      ) : rows === 0 ? (
        <Nothing filtered={filtered(view) || view.token !== ""} onClear={() => pages.show(parseView(none))} />
      ) : (
        <>
          <Sheet>
            {grouped ? (
              <GroupsTable
                groups={groups.data?.groups}
                view={view}
                filter={filter}
                now={now}
                dimmed={groups.isPlaceholderData}
                selected={selected}
                onSelect={select}
              />
            ) : (
              <AlertsTable
                label="Alerts"
                alerts={list.data?.alerts}
                now={now}
                dimmed={list.isPlaceholderData}
                selected={selected}
                onSelect={select}
              />
            )}
          </Sheet>
          <Pager
            page={view.page}
            size={view.size}
            shown={rows ?? 0}
            total={total ?? 0}
            onPrevious={pages.previous}
            onNext={pages.next(shown.data?.nextPageToken)}
            onSize={(size) => pages.show({ ...view, size })}
          />
        </>
      )}
    </>
  );
}

const none = new URLSearchParams();

type Selection = ReadonlyMap<string, Alert>;

function useSelection(): [Selection, (alerts: readonly Alert[], chosen: boolean) => void, () => void] {
  const [selected, setSelected] = useState<Selection>(new Map());
  const select = useCallback((alerts: readonly Alert[], chosen: boolean) => {
    setSelected((before) => {
      const next = new Map(before);
      for (const alert of alerts) {
        if (chosen) next.set(alert.id ?? "", alert);
        else next.delete(alert.id ?? "");
      }
      return next;
    });
  }, []);
  const clear = useCallback(() => setSelected(new Map()), []);
  return [selected, select, clear];
}

/** What can be done with the chosen alerts. Its room is there before: nothing moves. */
function Chosen({ selected, onDone }: { selected: Selection; onDone: () => void }) {
  const navigate = useNavigate();
  const [asking, setAsking] = useState(false);
  const any = selected.size > 0;
  const silence = () => {
    const matcher = writeMatchers(silenceMatchers([...selected.values()]));
    void navigate(`/silences/new?${new URLSearchParams({ matcher }).toString()}`);
  };
  return (
    <Box sx={{ display: "flex", flexWrap: "wrap", alignItems: "center", gap: 1, mb: 1, minHeight: 31 }}>
      <Box
        component="span"
        role="status"
        sx={{ color: "text.secondary", fontSize: "0.8125rem", minWidth: 80 }}
      >
        {any ? `${formatCount(selected.size)} chosen` : "None chosen"}
      </Box>
      <Button variant="outlined" disabled={!any} onClick={() => setAsking(true)}>
        Acknowledge …
      </Button>
      <Button variant="outlined" disabled={!any} onClick={silence}>
        Silence …
      </Button>
      {any && <Button onClick={onDone}>Choose none</Button>}
      {asking && (
        <AcknowledgeDialog
          ids={[...selected.keys()]}
          onCancel={() => setAsking(false)}
          onDone={() => {
            setAsking(false);
            onDone();
          }}
        />
      )}
    </Box>
  );
}

function Nothing({ filtered, onClear }: { filtered: boolean; onClear: () => void }) {
  if (!filtered) {
    return (
      <Notice title="All is well" minHeight={320}>
        No alert is pending or firing.
      </Notice>
    );
  }
  return (
    <Notice title="No alert found" minHeight={320} action={{ label: "Show all alerts", run: onClear }}>
      None is as the filters want it.
    </Notice>
  );
}
