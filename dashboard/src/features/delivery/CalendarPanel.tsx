import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import TableBody from "@mui/material/TableBody";
import TableCell from "@mui/material/TableCell";
import TableHead from "@mui/material/TableHead";
import TableRow from "@mui/material/TableRow";
import { messageOf } from "../../api/errors";
import type { OnCall, Override } from "../../api/schema";
import { Notice } from "../../components/Notice";
import { Panel } from "../../components/Panel";
import { ScrollingTable } from "../../components/ScrollingTable";
import { Tag } from "../../components/Tag";
import { formatMoment } from "../../lib/format";
import { timestamp } from "../../lib/proto-json";
import { useNow } from "../../lib/useNow";
import { OverrideForm } from "./OverrideForm";
import { ShiftLine } from "./ShiftLine";
import { useDeleteOverride } from "./useDelivery";

/** One calendar: who is on call, who comes, and how to put somebody else there. */
export function CalendarPanel({ calendar }: { calendar: OnCall }) {
  const now = useNow(30_000);
  const name = calendar.calendar ?? "";
  const until = timestamp(calendar.untilTime);
  return (
    <Panel title={name}>
      <Box sx={{ display: "grid", gap: 1.5 }}>
        <Box sx={{ fontSize: "0.9375rem" }}>
          {calendar.person ? (
            <>
              <Box component="strong" sx={{ fontWeight: 650 }}>
                {calendar.person}
              </Box>{" "}
              is on call{until !== undefined && ` until ${formatMoment(until, now)}`}
            </>
          ) : (
            <Box component="span" sx={{ color: "error.main" }}>
              Nobody is on call
            </Box>
          )}
        </Box>
        <ShiftLine shifts={calendar.shifts ?? []} now={now} />
        <Box sx={columns}>
          <Shifts calendar={calendar} now={now} />
          <Box>
            <Overrides calendar={name} overrides={calendar.overrides ?? []} now={now} />
            <OverrideForm calendar={name} />
          </Box>
        </Box>
      </Box>
    </Panel>
  );
}

const columns = {
  display: "grid",
  gap: 2,
  gridTemplateColumns: { xs: "minmax(0, 1fr)", lg: "repeat(2, minmax(0, 1fr))" },
};

function Shifts({ calendar, now }: { calendar: OnCall; now: number }) {
  const label = `Shifts of ${calendar.calendar ?? ""}`;
  if (!calendar.shifts?.length) return <Notice title="No shifts in the next 14 days" minHeight={80} />;
  return (
    <ScrollingTable label={label} sx={{ maxHeight: 320 }}>
      <TableHead>
        <TableRow>
          <TableCell>From</TableCell>
          <TableCell>Until</TableCell>
          <TableCell>Who</TableCell>
        </TableRow>
      </TableHead>
      <TableBody>
        {calendar.shifts.map((shift) => (
          <TableRow key={`${shift.startTime ?? ""} ${shift.person ?? ""}`}>
            <TableCell component="th" scope="row" sx={{ fontWeight: 400 }}>
              {formatMoment(timestamp(shift.startTime) ?? 0, now)}
            </TableCell>
            <TableCell>{formatMoment(timestamp(shift.endTime) ?? 0, now)}</TableCell>
            <TableCell>
              {shift.person} {shift.override && <Tag>override</Tag>}
            </TableCell>
          </TableRow>
        ))}
      </TableBody>
    </ScrollingTable>
  );
}

interface OverridesProps {
  calendar: string;
  overrides: readonly Override[];
  now: number;
}

function Overrides({ calendar, overrides, now }: OverridesProps) {
  const remove = useDeleteOverride(calendar);
  if (overrides.length === 0) return null;
  return (
    <Box
      component="ul"
      aria-label={`Overrides of ${calendar}`}
      sx={{ m: 0, mb: 1.5, p: 0, listStyle: "none" }}
    >
      {overrides.map((o) => (
        <Box
          component="li"
          key={o.id}
          sx={{ display: "flex", flexWrap: "wrap", alignItems: "center", gap: 1, fontSize: "0.8125rem" }}
        >
          <Box component="strong" sx={{ fontWeight: 600 }}>
            {o.person}
          </Box>
          {formatMoment(timestamp(o.startTime) ?? 0, now)} – {formatMoment(timestamp(o.endTime) ?? 0, now)}
          {o.author && (
            <Box component="span" sx={{ color: "text.secondary" }}>
              by {o.author}
            </Box>
          )}
          <Button
            color="error"
            loading={remove.isPending && remove.variables === o.id}
            aria-label={`Take back the override of ${o.person ?? ""}`}
            onClick={() => remove.mutate(o.id ?? "")}
          >
            Take back
          </Button>
        </Box>
      ))}
      {remove.isError && (
        <Box component="li" role="alert" sx={{ color: "error.main", fontSize: "0.8125rem" }}>
          {messageOf(remove.error)}
        </Box>
      )}
    </Box>
  );
}
