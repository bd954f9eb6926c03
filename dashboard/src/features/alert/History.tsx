import Box from "@mui/material/Box";
import type { AlertEvent } from "../../api/schema";
import { Notice } from "../../components/Notice";
import { Panel } from "../../components/Panel";
import { formatMoment } from "../../lib/format";
import { double, timestamp } from "../../lib/proto-json";
import { formatMeasured } from "../../lib/unit";

const looks: Readonly<Record<string, { text: string; color: string }>> = {
  pending: { text: "Pending", color: "warning.main" },
  firing: { text: "Firing", color: "error.main" },
  resolved: { text: "Resolved", color: "success.main" },
  held: { text: "Held", color: "warning.main" },
  released: { text: "Released", color: "text.secondary" },
  no_data: { text: "No data", color: "warning.main" },
  acknowledged: { text: "Acknowledged", color: "success.main" },
  unacknowledged: { text: "Acknowledgement taken back", color: "text.secondary" },
  notified: { text: "Notified", color: "primary.main" },
  corrected: { text: "Corrected", color: "text.secondary" },
};

/** Changes of state have a value. */
const WITH_VALUE = ["pending", "firing", "resolved"];

interface Props {
  events: readonly AlertEvent[];
  unit: string | undefined;
  now: number;
}

/** What happened to an alert, newest first. */
export function History({ events, unit, now }: Props) {
  return (
    <Panel title="History" aside="newest first">
      {events.length === 0 ? (
        <Notice title="Nothing has happened yet" minHeight={80} />
      ) : (
        <Box
          component="ol"
          tabIndex={0}
          aria-label="History"
          sx={{ listStyle: "none", m: 0, p: 0, maxHeight: 360, overflowY: "auto", fontSize: "0.8125rem" }}
        >
          {events.map((event, i) => (
            <Event key={`${event.time ?? ""} ${event.kind ?? ""} ${i}`} event={event} unit={unit} now={now} />
          ))}
        </Box>
      )}
    </Panel>
  );
}

function Event({ event, unit, now }: { event: AlertEvent; unit: string | undefined; now: number }) {
  const kind = event.kind ?? "";
  const look = looks[kind] ?? { text: kind, color: "text.secondary" };
  const time = timestamp(event.time);
  const said = [
    WITH_VALUE.includes(kind) ? `at ${formatMeasured(double(event.value), unit)}` : "",
    event.author ? `by ${event.author}` : "",
    event.message,
  ].filter(Boolean);
  return (
    <Box
      component="li"
      sx={{ display: "grid", gridTemplateColumns: "10px 150px minmax(0, 1fr)", columnGap: 1, py: 0.5 }}
    >
      <Box aria-hidden sx={{ width: 8, height: 8, mt: 0.75, borderRadius: "50%", bgcolor: look.color }} />
      <Box component="span" sx={{ color: "text.secondary" }}>
        {time === undefined ? "" : formatMoment(time, now)}
      </Box>
      <Box component="span" sx={{ overflowWrap: "anywhere" }}>
        <Box component="strong" sx={{ fontWeight: 600 }}>
          {look.text}
        </Box>{" "}
        {said.join(" · ")}
      </Box>
    </Box>
  );
}
