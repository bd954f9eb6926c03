import Alert from "@mui/material/Alert";
import Box from "@mui/material/Box";
import { messageOf } from "../../api/errors";
import type { SilencePreview } from "../../api/schema";
import { AlertsTable } from "../../components/alerts/AlertsTable";
import { Notice } from "../../components/Notice";
import { Panel } from "../../components/Panel";
import { formatCount, formatMoment } from "../../lib/format";
import { int64, timestamp } from "../../lib/proto-json";
import { useNow } from "../../lib/useNow";

interface Props {
  preview: SilencePreview | undefined;
  error: Error | null;
  /** The matchers cannot be asked for yet. */
  waiting: boolean;
  busy: boolean;
  recurring: boolean;
}

const SHOWN = 20;

/** What a silence would hide: now, lately, and when it comes again. */
export function PreviewPanel({ preview, error, waiting, busy, recurring }: Props) {
  return (
    <Panel title="What it would hide" padded={false}>
      {waiting ? (
        <Notice title="It follows the matchers" minHeight={200}>
          As soon as they can be read, the alerts they match are here.
        </Notice>
      ) : error && !preview ? (
        <Notice alert title="The server cannot say" minHeight={200}>
          {messageOf(error)}
        </Notice>
      ) : preview ? (
        <Box aria-busy={busy} sx={{ display: "grid", gap: 1 }}>
          {error && <Alert severity="error">{messageOf(error)}</Alert>}
          <Said preview={preview} recurring={recurring} />
        </Box>
      ) : (
        <Notice title="Loading" minHeight={200} />
      )}
    </Panel>
  );
}

function Said({ preview, recurring }: { preview: SilencePreview; recurring: boolean }) {
  const now = useNow(5000);
  const total = int64(preview.total);
  const others = int64(preview.others);
  const recent = int64(preview.recentEpisodes);
  const alerts = (preview.alerts ?? []).slice(0, SHOWN);
  return (
    <>
      <Box role="status" sx={{ px: 1.5, fontSize: "0.875rem" }}>
        <Box component="strong" sx={{ fontWeight: 650 }}>
          {total === 0 ? "No alert" : `${formatCount(total)} ${total === 1 ? "alert" : "alerts"}`}
        </Box>{" "}
        now; {formatCount(others)} that fire would still be told. In the last 7 days such alerts fired{" "}
        {recent === 1 ? "once" : `${formatCount(recent)} times`}.
      </Box>
      {total > 0 && others === 0 && (
        <Alert severity="warning" sx={{ mx: 1.5 }}>
          Everything that fires now would be hidden.
        </Alert>
      )}
      {recurring && <Windows preview={preview} now={now} />}
      {alerts.length > 0 && <AlertsTable label="Alerts it would hide" alerts={alerts} now={now} />}
      {total > alerts.length && (
        <Box sx={{ px: 1.5, pb: 1, color: "text.secondary", fontSize: "0.75rem" }}>
          and {formatCount(total - alerts.length)} more
        </Box>
      )}
    </>
  );
}

function Windows({ preview, now }: { preview: SilencePreview; now: number }) {
  const windows = preview.windows ?? [];
  return (
    <Box sx={{ px: 1.5, fontSize: "0.8125rem" }}>
      {windows.length === 0 ? "No window comes." : "The next windows, in your time:"}
      <Box component="ul" aria-label="The next windows" sx={{ m: 0, pl: 2.5 }}>
        {windows.map((w) => (
          <li key={w.startTime}>
            {formatMoment(timestamp(w.startTime) ?? 0, now)} – {formatMoment(timestamp(w.endTime) ?? 0, now)}
          </li>
        ))}
      </Box>
    </Box>
  );
}
