import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Link from "@mui/material/Link";
import TableBody from "@mui/material/TableBody";
import TableCell from "@mui/material/TableCell";
import TableHead from "@mui/material/TableHead";
import TableRow from "@mui/material/TableRow";
import { Link as RouterLink } from "react-router";
import { messageOf } from "../../api/errors";
import type { Silence, SilenceState } from "../../api/schema";
import { Dot } from "../../components/Dot";
import { ScrollingTable } from "../../components/ScrollingTable";
import { formatCount, formatMoment } from "../../lib/format";
import { int64, timestamp } from "../../lib/proto-json";
import { recurrenceText } from "./recurrence";
import { useExpire } from "./useSilences";

const looks: Record<SilenceState, { text: string; color: string; help: string }> = {
  SILENCE_STATE_UNSPECIFIED: { text: "Unknown", color: "text.secondary", help: "Its state is not known." },
  SILENCE_STATE_PENDING: { text: "Pending", color: "warning.main", help: "It begins later." },
  SILENCE_STATE_ACTIVE: { text: "Active", color: "success.main", help: "It hides what matches." },
  SILENCE_STATE_EXPIRED: { text: "Over", color: "text.secondary", help: "It hides nothing any more." },
};

interface Props {
  silences: readonly Silence[];
  now: number;
  dimmed: boolean;
}

/** Silences, one a row. */
export function SilencesTable({ silences, now, dimmed }: Props) {
  return (
    <ScrollingTable label="Silences" busy={dimmed} fixed minWidth={860} sx={{ opacity: dimmed ? 0.6 : 1 }}>
      <TableHead>
        <TableRow>
          <TableCell sx={{ width: 110 }}>State</TableCell>
          <TableCell>Hides</TableCell>
          <TableCell align="right" sx={{ width: 80 }}>
            Alerts
          </TableCell>
          <TableCell sx={{ width: 190 }}>When</TableCell>
          <TableCell>Why</TableCell>
          <TableCell sx={{ width: 150 }}>Act</TableCell>
        </TableRow>
      </TableHead>
      <TableBody>
        {silences.map((silence) => (
          <Row key={silence.id} silence={silence} now={now} />
        ))}
      </TableBody>
    </ScrollingTable>
  );
}

function Row({ silence, now }: { silence: Silence; now: number }) {
  const look = looks[silence.state ?? "SILENCE_STATE_UNSPECIFIED"];
  const over = silence.state === "SILENCE_STATE_EXPIRED";
  const to = `/silences/${encodeURIComponent(silence.id ?? "")}`;
  return (
    <TableRow hover sx={{ verticalAlign: "top", "& td": { overflowWrap: "anywhere" } }}>
      <TableCell>
        <Dot color={look.color} title={look.help}>
          {look.text}
        </Dot>
      </TableCell>
      <TableCell component="th" scope="row" sx={{ fontWeight: 400 }}>
        <Link component={RouterLink} to={to} sx={{ color: "text.primary" }}>
          {(silence.matchers ?? []).map((m) => (
            <Box component="code" key={m} sx={{ display: "block", overflowWrap: "anywhere" }}>
              {m}
            </Box>
          ))}
        </Link>
      </TableCell>
      <TableCell align="right">{over ? "" : formatCount(int64(silence.alerts))}</TableCell>
      <TableCell>
        <When silence={silence} now={now} />
      </TableCell>
      <TableCell>
        {silence.comment}
        <Box sx={{ color: "text.secondary" }}>{silence.author}</Box>
      </TableCell>
      <TableCell>
        <Button component={RouterLink} to={over ? `${to}?again=1` : to} sx={{ ml: -0.75 }}>
          {over ? "Again" : "Edit"}
        </Button>
        {!over && <Expire id={silence.id ?? ""} />}
      </TableCell>
    </TableRow>
  );
}

function When({ silence, now }: { silence: Silence; now: number }) {
  const [start, end] = [timestamp(silence.startTime), timestamp(silence.endTime)];
  return (
    <>
      {start !== undefined && start > now && <Box>from {formatMoment(start, now)}</Box>}
      {end !== undefined && <Box>until {formatMoment(end, now)}</Box>}
      {silence.recurrence && <Box sx={{ color: "text.secondary" }}>{recurrenceText(silence.recurrence)}</Box>}
    </>
  );
}

/** Ends a silence now. */
function Expire({ id }: { id: string }) {
  const expire = useExpire();
  return (
    <>
      <Button color="error" loading={expire.isPending} onClick={() => expire.mutate(id)}>
        End now
      </Button>
      {expire.isError && (
        <Box role="alert" sx={{ color: "error.main", fontSize: "0.75rem" }}>
          {messageOf(expire.error)}
        </Box>
      )}
    </>
  );
}
