import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import IconButton from "@mui/material/IconButton";
import Link from "@mui/material/Link";
import TableBody from "@mui/material/TableBody";
import TableCell from "@mui/material/TableCell";
import TableHead from "@mui/material/TableHead";
import TableRow from "@mui/material/TableRow";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useId, useState } from "react";
import { Link as RouterLink } from "react-router";
import { deliveryApi } from "../api/delivery";
import { messageOf } from "../api/errors";
import type { Notification, NotificationState } from "../api/schema";
import { formatCount, formatMoment, formatSeconds, NO_VALUE } from "../lib/format";
import { int64, seconds, timestamp } from "../lib/proto-json";
import { Dot } from "./Dot";
import { ChevronIcon, RightIcon } from "./icons";
import { ScrollingTable } from "./ScrollingTable";

export const NOTIFICATION_LOOKS: Record<NotificationState, { text: string; color: string; help: string }> = {
  NOTIFICATION_STATE_UNSPECIFIED: {
    text: "Unknown",
    color: "text.secondary",
    help: "Its state is not known.",
  },
  NOTIFICATION_STATE_WAITING: {
    text: "Waiting",
    color: "warning.main",
    help: "It waits for its first attempt or for the next.",
  },
  NOTIFICATION_STATE_DELIVERED: { text: "Delivered", color: "success.main", help: "The receiver took it." },
  NOTIFICATION_STATE_DEAD: { text: "Given up", color: "error.main", help: "It is not tried any more." },
  NOTIFICATION_STATE_SUPERSEDED: {
    text: "Superseded",
    color: "text.secondary",
    help: "A newer one of the same group made it needless.",
  },
};

interface Props {
  label: string;
  notifications: readonly Notification[];
  now: number;
  dimmed?: boolean;
}

/** Notifications; each opens in place and shows its attempts. */
export function NotificationsTable({ label, notifications, now, dimmed = false }: Props) {
  return (
    <ScrollingTable label={label} busy={dimmed} fixed minWidth={640} sx={{ opacity: dimmed ? 0.6 : 1 }}>
      <TableHead>
        <TableRow>
          <TableCell sx={{ width: 190 }}>Made</TableCell>
          <TableCell>What it says</TableCell>
          <TableCell sx={{ width: 150 }}>Receiver</TableCell>
          <TableCell sx={{ width: 190 }}>State</TableCell>
        </TableRow>
      </TableHead>
      <TableBody>
        {notifications.map((n) => (
          <Row key={n.id} notification={n} now={now} />
        ))}
      </TableBody>
    </ScrollingTable>
  );
}

function Row({ notification: n, now }: { notification: Notification; now: number }) {
  const [open, setOpen] = useState(false);
  const id = useId();
  const made = timestamp(n.createTime);
  const look = NOTIFICATION_LOOKS[n.state ?? "NOTIFICATION_STATE_UNSPECIFIED"];
  return (
    <>
      <TableRow hover>
        <TableCell>
          <IconButton
            aria-expanded={open}
            aria-controls={id}
            aria-label={`Attempts of ${n.title ?? n.id ?? ""}`}
            onClick={() => setOpen(!open)}
            sx={{ ml: -1, mr: 0.5, p: 0.25 }}
          >
            {open ? <ChevronIcon fontSize="small" /> : <RightIcon fontSize="small" />}
          </IconButton>
          {made === undefined ? NO_VALUE : formatMoment(made, now)}
        </TableCell>
        <TableCell component="th" scope="row" sx={{ fontWeight: 400, overflowWrap: "anywhere" }}>
          {n.title}
        </TableCell>
        <TableCell sx={{ overflowWrap: "anywhere" }}>{n.receiver}</TableCell>
        <TableCell>
          <Dot color={look.color} title={look.help}>
            {look.text}
          </Dot>
          <StateNote notification={n} now={now} />
        </TableCell>
      </TableRow>
      {open && (
        <TableRow id={id}>
          <TableCell colSpan={4} sx={{ bgcolor: "background.default", pl: 4 }}>
            <Details notification={n} now={now} />
          </TableCell>
        </TableRow>
      )}
    </>
  );
}

function StateNote({ notification: n, now }: { notification: Notification; now: number }) {
  const next = timestamp(n.nextTime);
  if (n.state === "NOTIFICATION_STATE_WAITING" && next !== undefined && next > now) {
    return (
      <Box sx={{ color: "text.secondary", fontSize: "0.75rem" }}>
        next attempt in {formatSeconds(Math.ceil((next - now) / 1000))}
      </Box>
    );
  }
  return n.state === "NOTIFICATION_STATE_DEAD" ? <Retry id={n.id ?? ""} /> : null;
}

/** Sends a notification that was given up again. */
function Retry({ id }: { id: string }) {
  const client = useQueryClient();
  const retry = useMutation({
    networkMode: "always",
    mutationFn: () => deliveryApi.retry(id),
    onSuccess: () => client.invalidateQueries({ queryKey: ["notifications"] }),
  });
  return (
    <Box sx={{ display: "flex", flexWrap: "wrap", alignItems: "center", gap: 0.5 }}>
      <Button loading={retry.isPending} onClick={() => retry.mutate()} sx={{ ml: -0.75 }}>
        Send again
      </Button>
      {retry.isError && (
        <Box role="alert" sx={{ color: "error.main", fontSize: "0.75rem" }}>
          {messageOf(retry.error)}
        </Box>
      )}
    </Box>
  );
}

/** How many alerts are linked; the rest is a number. */
const LINKED = 10;

function Details({ notification: n, now }: { notification: Notification; now: number }) {
  const ids = n.alertIds ?? [];
  const count = int64(n.alerts);
  const attempts = n.attempts ?? [];
  return (
    <Box sx={{ display: "grid", gap: 1, fontSize: "0.8125rem" }}>
      {attempts.length === 0 ? (
        "It was not tried yet."
      ) : (
        <Box component="ol" aria-label="Attempts" sx={{ m: 0, pl: 2.5 }}>
          {attempts.map((a, i) => (
            <Box component="li" key={i} sx={{ overflowWrap: "anywhere" }}>
              {formatMoment(timestamp(a.time) ?? 0, now)}{" "}
              <Box component="span" sx={{ color: a.delivered ? "success.main" : "error.main" }}>
                {a.delivered ? "delivered" : "failed"}
              </Box>{" "}
              after {formatSeconds(seconds(a.duration) ?? 0)}
              {a.message && `: ${a.message}`}
            </Box>
          ))}
        </Box>
      )}
      <Box>
        {formatCount(count)} {count === 1 ? "alert" : "alerts"}:{" "}
        {ids.slice(0, LINKED).map((alert, i) => (
          <span key={alert}>
            {i > 0 && ", "}
            <Link component={RouterLink} to={`/alerts/${encodeURIComponent(alert)}`} underline="always">
              {alert.slice(0, 8)}
            </Link>
          </span>
        ))}
        {count > LINKED && " …"}
      </Box>
      <Box sx={{ color: "text.secondary", overflowWrap: "anywhere" }}>Idempotency key {n.id}</Box>
    </Box>
  );
}
