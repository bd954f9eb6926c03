import Box from "@mui/material/Box";
import Link from "@mui/material/Link";
import Skeleton from "@mui/material/Skeleton";
import Table from "@mui/material/Table";
import TableBody from "@mui/material/TableBody";
import TableCell from "@mui/material/TableCell";
import TableContainer from "@mui/material/TableContainer";
import TableHead from "@mui/material/TableHead";
import TableRow from "@mui/material/TableRow";
import TableSortLabel from "@mui/material/TableSortLabel";
import { Link as RouterLink } from "react-router";
import { Meter } from "../../components/Meter";
import { Sparkline } from "../../components/Sparkline";
import { StateMark } from "../../components/StateMark";
import { formatAgo, formatMoment, formatSeconds, formatValue, NO_VALUE } from "../../lib/format";
import { timestamp } from "../../lib/proto-json";
import type { ListView, SortKey } from "./list-view";
import type { HostRow } from "./useHostList";

interface Column {
  key: SortKey;
  label: string;
  width: number;
  right?: boolean;
}

const columns: readonly Column[] = [
  { key: "name", label: "Host", width: 200 },
  { key: "state", label: "State", width: 120 },
  { key: "os", label: "System", width: 190 },
  { key: "cpu", label: "CPU", width: 250 },
  { key: "memory", label: "Memory", width: 150 },
  { key: "disk", label: "Fullest disk", width: 150 },
  { key: "load", label: "Load", width: 70, right: true },
  { key: "uptime", label: "Up", width: 100, right: true },
  { key: "seen", label: "Last seen", width: 130, right: true },
  { key: "version", label: "Agent", width: 100 },
];

interface Props {
  /** undefined while they are loaded. */
  rows: readonly HostRow[] | undefined;
  view: ListView;
  onSort: (key: SortKey) => void;
  now: number;
  /** True while rows of another page are still shown. */
  dimmed: boolean;
}

/** The hosts of a page. */
export function HostsTable({ rows, view, onSort, now, dimmed }: Props) {
  return (
    <TableContainer
      sx={{ bgcolor: "background.paper", border: 1, borderColor: "divider", borderRadius: 1, opacity: dimmed ? 0.6 : 1, transition: "opacity 150ms" }}
    >
      <Table size="small" aria-label="Hosts" aria-busy={rows === undefined || dimmed} sx={{ minWidth: 1250, tableLayout: "fixed" }}>
        <TableHead>
          <TableRow>
            {columns.map((c) => (
              <TableCell
                key={c.key}
                align={c.right ? "right" : "left"}
                sx={{ width: c.width }}
                {...(view.sort === c.key && { sortDirection: view.descending ? "desc" : "asc" })}
              >
                <TableSortLabel
                  active={view.sort === c.key}
                  direction={view.sort === c.key && view.descending ? "desc" : "asc"}
                  onClick={() => onSort(c.key)}
                >
                  {c.label}
                </TableSortLabel>
              </TableCell>
            ))}
          </TableRow>
        </TableHead>
        <TableBody>
          {rows ? rows.map((row) => <Row key={row.agent.id} row={row} now={now} />) : <LoadingRows />}
        </TableBody>
      </Table>
    </TableContainer>
  );
}

function Row({ row: { agent, values, trend }, now }: { row: HostRow; now: number }) {
  const seen = timestamp(agent.lastAckTime);
  const system = agent.osDescription ?? agent.osType ?? NO_VALUE;
  return (
    <TableRow hover sx={{ height: 37 }}>
      <TableCell component="th" scope="row" sx={clipped} title={agent.hostName}>
        <Link component={RouterLink} to={`/hosts/${encodeURIComponent(agent.id ?? "")}`} sx={{ fontWeight: 600 }}>
          {agent.hostName ?? agent.id}
        </Link>
      </TableCell>
      <TableCell>
        <StateMark state={agent.state} />
      </TableCell>
      <TableCell sx={clipped} title={system}>
        {system}
      </TableCell>
      <TableCell>
        <Box sx={{ display: "flex", alignItems: "center", gap: 1.5 }}>
          <Meter label="CPU" value={values.cpu} warn={0.8} bad={0.95} />
          <Sparkline values={trend} />
        </Box>
      </TableCell>
      <TableCell>
        <Meter label="Memory" value={values.memory} />
      </TableCell>
      <TableCell>
        <Meter label="Fullest disk" value={values.disk} />
      </TableCell>
      <TableCell align="right">{formatValue(values.load, "number")}</TableCell>
      <TableCell align="right">{values.uptime === undefined ? NO_VALUE : formatSeconds(Math.round(values.uptime))}</TableCell>
      <TableCell align="right" title={seen === undefined ? undefined : formatMoment(seen, now)}>
        {seen === undefined ? "never" : formatAgo(seen, now)}
      </TableCell>
      <TableCell sx={clipped}>{agent.agentVersion ?? NO_VALUE}</TableCell>
    </TableRow>
  );
}

const clipped = { overflow: "hidden", textOverflow: "ellipsis", whiteSpace: "nowrap" };

function LoadingRows() {
  return Array.from({ length: 8 }, (_, i) => (
    <TableRow key={i} sx={{ height: 37 }}>
      {columns.map((c) => (
        <TableCell key={c.key}>
          <Skeleton width={c.right ? "60%" : "75%"} sx={c.right ? { ml: "auto" } : {}} />
        </TableCell>
      ))}
    </TableRow>
  ));
}
