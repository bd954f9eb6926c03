import Box from "@mui/material/Box";
import IconButton from "@mui/material/IconButton";
import Link from "@mui/material/Link";
import TableBody from "@mui/material/TableBody";
import TableCell from "@mui/material/TableCell";
import TableHead from "@mui/material/TableHead";
import TableRow from "@mui/material/TableRow";
import { useId, useState } from "react";
import { Link as RouterLink } from "react-router";
import type { AlertFilter } from "../../api/alerts";
import { messageOf } from "../../api/errors";
import type { Alert, AlertGroup } from "../../api/schema";
import { ChevronIcon, RightIcon } from "../../components/icons";
import { Notice } from "../../components/Notice";
import { ScrollingTable } from "../../components/ScrollingTable";
import { SeverityMark } from "../../components/SeverityMark";
import { formatAgo, formatCount, NO_VALUE } from "../../lib/format";
import { writeMatcher, writeMatchers } from "../../lib/matchers";
import { int64, timestamp } from "../../lib/proto-json";
import { equals } from "../../lib/promql";
import { AlertsTable } from "../../components/alerts/AlertsTable";
import { writeView, type AlertView } from "./alert-view";
import { useAlerts } from "../../components/alerts/useAlerts";

interface Props {
  groups: readonly AlertGroup[] | undefined;
  view: AlertView;
  filter: AlertFilter;
  now: number;
  dimmed: boolean;
  selected: ReadonlyMap<string, Alert>;
  onSelect: (alerts: readonly Alert[], chosen: boolean) => void;
}

/** Alerts by the value of a label; a group opens in place. */
export function GroupsTable({ groups, view, dimmed, ...rest }: Props) {
  const byHost = view.group === "host_name";
  return (
    <ScrollingTable
      label={byHost ? "Alerts by host" : "Alerts by name"}
      busy={groups === undefined || dimmed}
      fixed
      minWidth={620}
      sx={{ opacity: dimmed ? 0.6 : 1 }}
    >
      <TableHead>
        <TableRow>
          <TableCell>{byHost ? "Host" : "Alert"}</TableCell>
          <TableCell sx={{ width: 100 }}>Worst</TableCell>
          {["Firing", "Pending", "Held", "Attended"].map((name) => (
            <TableCell key={name} align="right" sx={{ width: 90 }}>
              {name}
            </TableCell>
          ))}
          <TableCell align="right" sx={{ width: 110 }}>
            Newest
          </TableCell>
        </TableRow>
      </TableHead>
      <TableBody>
        {groups?.map((group) => (
          <Group key={group.value ?? ""} group={group} view={view} {...rest} />
        ))}
      </TableBody>
    </ScrollingTable>
  );
}

type GroupProps = Omit<Props, "groups" | "dimmed"> & { group: AlertGroup };

function Group({ group, view, now, ...rest }: GroupProps) {
  const [open, setOpen] = useState(false);
  const id = useId();
  const newest = timestamp(group.fireTime);
  const attended = int64(group.acknowledged) + int64(group.silenced);
  return (
    <>
      <TableRow hover>
        <TableCell component="th" scope="row" sx={{ overflowWrap: "anywhere" }}>
          <IconButton
            aria-expanded={open}
            aria-controls={id}
            aria-label={`Alerts of ${group.value ?? "none"}`}
            onClick={() => setOpen(!open)}
            sx={{ ml: -1, mr: 0.5, p: 0.25 }}
          >
            {open ? <ChevronIcon fontSize="small" /> : <RightIcon fontSize="small" />}
          </IconButton>
          <Box component="span" sx={{ fontWeight: 600 }}>
            {group.value ?? `without ${view.group}`}
          </Box>
        </TableCell>
        <TableCell>
          <SeverityMark severity={group.severity} />
        </TableCell>
        {[int64(group.firing), int64(group.pending), int64(group.held), attended].map((n, i) => (
          <TableCell key={i} align="right" sx={{ color: n === 0 ? "text.secondary" : "text.primary" }}>
            {formatCount(n)}
          </TableCell>
        ))}
        <TableCell align="right">{newest === undefined ? NO_VALUE : formatAgo(newest, now)}</TableCell>
      </TableRow>
      {open && (
        <TableRow id={id}>
          <TableCell colSpan={7} sx={{ p: 0, pl: 3, bgcolor: "background.default" }}>
            <Members group={group} view={view} now={now} {...rest} />
          </TableCell>
        </TableRow>
      )}
    </>
  );
}

/** A group shows so many of its alerts; the rest is a list of its own. */
const SHOWN = 50;

function Members({ group, view, filter, now, selected, onSelect }: GroupProps) {
  const of = equals(view.group, group.value ?? "");
  const matchers = [...(filter.matchers ?? []), writeMatcher(of)];
  const list = useAlerts({ ...filter, matchers, pageSize: SHOWN });
  if (list.isError && !list.data) {
    return (
      <Notice alert title="The alerts could not be loaded" minHeight={80}>
        {messageOf(list.error)}
      </Notice>
    );
  }
  const more = (list.data?.totalSize ?? 0) - (list.data?.alerts.length ?? 0);
  const alone = writeView({
    ...view,
    group: "",
    token: "",
    page: 0,
    matchers: [view.matchers, writeMatchers([of])].filter(Boolean).join(", "),
  });
  return (
    <>
      <AlertsTable
        label={`Alerts of ${group.value ?? "none"}`}
        alerts={list.data?.alerts}
        now={now}
        selected={selected}
        onSelect={onSelect}
        withHost={view.group !== "host_name"}
      />
      {more > 0 && (
        <Box sx={{ p: 1 }}>
          <Link component={RouterLink} to={`/alerts?${alone.toString()}`}>
            {formatCount(more)} more
          </Link>
        </Box>
      )}
    </>
  );
}
