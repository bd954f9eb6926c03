import MenuItem from "@mui/material/MenuItem";
import Skeleton from "@mui/material/Skeleton";
import TextField from "@mui/material/TextField";
import { useMemo } from "react";
import { useSearchParams } from "react-router";
import { messageOf } from "../../api/errors";
import { Notice } from "../../components/Notice";
import { NOTIFICATION_LOOKS, NotificationsTable } from "../../components/NotificationsTable";
import { PageHead } from "../../components/PageHead";
import { Pager } from "../../components/Pager";
import { Sheet } from "../../components/Sheet";
import { useNow } from "../../lib/useNow";
import { usePages } from "../../lib/usePages";
import { usePageTitle } from "../../lib/usePageTitle";
import { parseView, WIRE_STATES, writeView, type NotificationView } from "./notification-view";
import { useNotifications, useReceivers } from "./useDelivery";

/** Every notification with its attempts, newest first. */
export function NotificationsPage() {
  usePageTitle("Notifications");
  const [params] = useSearchParams();
  const view = useMemo(() => parseView(params), [params]);
  const pages = usePages(view, writeView);
  const list = useNotifications(view);
  const now = useNow(1000);
  const shown = list.data?.notifications;
  return (
    <>
      <PageHead title="Notifications">
        <Filters view={view} onChange={(next) => pages.show(next)} />
      </PageHead>
      {list.isError && !shown ? (
        <Notice
          alert
          title="The notifications could not be loaded"
          minHeight={320}
          action={{ label: "Try again", run: () => void list.refetch() }}
        >
          {messageOf(list.error)}
        </Notice>
      ) : shown === undefined ? (
        <Skeleton variant="rounded" height={320} />
      ) : shown.length === 0 ? (
        <Nothing view={view} onClear={() => pages.show({ ...view, receiver: "", state: "" })} />
      ) : (
        <>
          <Sheet>
            <NotificationsTable
              label="Notifications"
              notifications={shown}
              now={now}
              dimmed={list.isPlaceholderData}
            />
          </Sheet>
          <Pager
            page={view.page}
            size={view.size}
            shown={shown.length}
            total={undefined}
            onPrevious={pages.previous}
            onNext={pages.next(list.data?.nextPageToken)}
            onSize={(size) => pages.show({ ...view, size })}
          />
        </>
      )}
    </>
  );
}

function Filters({ view, onChange }: { view: NotificationView; onChange: (view: NotificationView) => void }) {
  const names = useReceivers().data?.map((r) => r.name ?? "") ?? [];
  // A receiver may be gone from the configuration and still have notifications.
  const receivers = [...new Set([...names, view.receiver].filter(Boolean))];
  return (
    <>
      <TextField
        select
        size="small"
        label="Receiver"
        value={view.receiver}
        onChange={(e) => onChange({ ...view, receiver: e.target.value })}
        sx={{ minWidth: 180 }}
        slotProps={{ inputLabel: { shrink: true }, select: { displayEmpty: true } }}
      >
        <MenuItem value="">All</MenuItem>
        {receivers.map((name) => (
          <MenuItem key={name} value={name}>
            {name}
          </MenuItem>
        ))}
      </TextField>
      <TextField
        select
        size="small"
        label="State"
        value={view.state}
        onChange={(e) => onChange({ ...view, state: WIRE_STATES.find((s) => s === e.target.value) ?? "" })}
        sx={{ minWidth: 140 }}
        slotProps={{ inputLabel: { shrink: true }, select: { displayEmpty: true } }}
      >
        <MenuItem value="">Any</MenuItem>
        {WIRE_STATES.map((state) => (
          <MenuItem key={state} value={state}>
            {NOTIFICATION_LOOKS[state].text}
          </MenuItem>
        ))}
      </TextField>
    </>
  );
}

function Nothing({ view, onClear }: { view: NotificationView; onClear: () => void }) {
  if (view.receiver === "" && view.state === "" && view.token === "") {
    return (
      <Notice title="Nobody was told anything yet" minHeight={320}>
        When an alert fires, what its receivers are told appears here.
      </Notice>
    );
  }
  return (
    <Notice
      title="No notification found"
      minHeight={320}
      action={{ label: "Show all notifications", run: onClear }}
    >
      None is as the filters want it.
    </Notice>
  );
}
