import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Link from "@mui/material/Link";
import TableBody from "@mui/material/TableBody";
import TableCell from "@mui/material/TableCell";
import TableHead from "@mui/material/TableHead";
import TableRow from "@mui/material/TableRow";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link as RouterLink } from "react-router";
import { deliveryApi } from "../../api/delivery";
import { messageOf } from "../../api/errors";
import type { Receiver } from "../../api/schema";
import { Dot } from "../../components/Dot";
import { ScrollingTable } from "../../components/ScrollingTable";
import { formatAgo, formatCount, formatMoment, formatSeconds } from "../../lib/format";
import { int64, seconds, timestamp } from "../../lib/proto-json";
import { useNow } from "../../lib/useNow";
import { writeView } from "./notification-view";

const looks: Readonly<Record<string, { text: string; color: string; help: string }>> = {
  ok: { text: "OK", color: "success.main", help: "The last delivery succeeded." },
  failing: { text: "Failing", color: "error.main", help: "The last delivery failed; it is tried again." },
  open: {
    text: "Paused",
    color: "error.main",
    help: "It failed again and again: nothing is tried for a moment.",
  },
};
const unknown = { text: "Not used yet", color: "text.secondary", help: "Nothing was delivered yet." };

/** The receivers and how each is. */
export function ReceiversTable({ receivers }: { receivers: readonly Receiver[] }) {
  const now = useNow(5000);
  return (
    <ScrollingTable label="Receivers" fixed minWidth={1000}>
      <TableHead>
        <TableRow>
          <TableCell sx={{ width: 170 }}>Receiver</TableCell>
          <TableCell>Where it goes</TableCell>
          <TableCell sx={{ width: 130 }}>Health</TableCell>
          <TableCell align="right" sx={{ width: 80 }}>
            Waiting
          </TableCell>
          <TableCell align="right" sx={{ width: 80 }}>
            Given up
          </TableCell>
          <TableCell align="right" sx={{ width: 120 }}>
            Last delivery
          </TableCell>
          <TableCell sx={{ width: 200 }}>Test</TableCell>
        </TableRow>
      </TableHead>
      <TableBody>
        {receivers.map((r) => (
          <Row key={r.name} receiver={r} now={now} />
        ))}
      </TableBody>
    </ScrollingTable>
  );
}

function Row({ receiver: r, now }: { receiver: Receiver; now: number }) {
  const look = looks[r.health ?? ""] ?? unknown;
  const last = timestamp(r.lastDeliveryTime);
  return (
    <TableRow hover sx={{ verticalAlign: "top" }}>
      <TableCell component="th" scope="row" sx={{ overflowWrap: "anywhere" }}>
        <Box sx={{ fontWeight: 600 }}>{r.name}</Box>
        <Box sx={{ color: "text.secondary", fontWeight: 400 }}>{r.kind}</Box>
      </TableCell>
      <TableCell sx={{ overflowWrap: "anywhere" }}>
        {r.target}
        {r.lastError && r.health !== "ok" && (
          <Box sx={{ color: "error.main", fontSize: "0.75rem" }}>{r.lastError}</Box>
        )}
      </TableCell>
      <TableCell>
        <Dot color={look.color} title={look.help}>
          {look.text}
        </Dot>
      </TableCell>
      <Count receiver={r.name ?? ""} n={int64(r.waiting)} state="NOTIFICATION_STATE_WAITING" />
      <Count receiver={r.name ?? ""} n={int64(r.dead)} state="NOTIFICATION_STATE_DEAD" />
      <TableCell align="right" title={last === undefined ? undefined : formatMoment(last, now)}>
        {last === undefined ? "never" : formatAgo(last, now)}
      </TableCell>
      <TableCell>
        <Test name={r.name ?? ""} />
      </TableCell>
    </TableRow>
  );
}

function Count(props: {
  receiver: string;
  n: number;
  state: "NOTIFICATION_STATE_WAITING" | "NOTIFICATION_STATE_DEAD";
}) {
  const { receiver, n, state } = props;
  const search = writeView({ receiver, state, size: 50, token: "", page: 0 }).toString();
  return (
    <TableCell align="right">
      {n === 0 ? (
        <Box component="span" sx={{ color: "text.secondary" }}>
          0
        </Box>
      ) : (
        <Link component={RouterLink} to={`/notifications?${search}`} sx={{ fontWeight: 600 }}>
          {formatCount(n)}
        </Link>
      )}
    </TableCell>
  );
}

/** Sends a test notification and says what came of it. */
function Test({ name }: { name: string }) {
  const client = useQueryClient();
  const test = useMutation({
    networkMode: "always",
    mutationFn: () => deliveryApi.testReceiver(name),
    onSettled: () => client.invalidateQueries({ queryKey: ["receivers"] }),
  });
  const took = formatSeconds(seconds(test.data?.duration) ?? 0);
  const good = test.data?.delivered ?? false;
  return (
    <>
      <Button
        variant="outlined"
        loading={test.isPending}
        aria-label={`Send a test to ${name}`}
        onClick={() => test.mutate()}
      >
        Send a test
      </Button>
      <Box
        role="status"
        sx={{
          fontSize: "0.75rem",
          mt: 0.5,
          overflowWrap: "anywhere",
          color: good ? "success.main" : "error.main",
        }}
      >
        {test.isError
          ? messageOf(test.error)
          : test.data && `${good ? "Delivered" : "Not delivered"} after ${took}: ${test.data.message ?? ""}`}
      </Box>
    </>
  );
}
