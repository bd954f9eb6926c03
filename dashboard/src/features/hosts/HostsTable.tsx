import Box from "@mui/material/Box";
import Link from "@mui/material/Link";
import Skeleton from "@mui/material/Skeleton";
import TableBody from "@mui/material/TableBody";
import TableCell from "@mui/material/TableCell";
import TableHead from "@mui/material/TableHead";
import TableRow from "@mui/material/TableRow";
import TableSortLabel from "@mui/material/TableSortLabel";
import { Link as RouterLink } from "react-router";
import { Meter } from "../../components/Meter";
import { ScrollingTable } from "../../components/ScrollingTable";
import { Sparkline } from "../../components/Sparkline";
import { StateMark } from "../../components/StateMark";
import { formatAgo, formatMoment, formatUptime, formatValue, NO_VALUE } from "../../lib/format";
import { timestamp } from "../../lib/proto-json";
import type { ListView, SortKey } from "./list-view";
import type { HostRow } from "./useHostList";

interface Column {
  key: SortKey;
  label: string;
  width: number;
  right?: boolean;
  sx?: ReturnType<typeof below>;
}

// The widths of all columns; and of those that are left where there is less room.
const WIDE = 1192;
const MIDDLE = 990;
const below = (width: number, style: Record<string, string | number>) => ({
  [`@container (max-width: ${width - 1}px)`]: style,
});
const onlyWide = below(WIDE, { display: "none" });
const notNarrow = below(MIDDLE, { display: "none" });
// The name stays while the rest is scrolled.
const name = below(WIDE, { position: "sticky", left: 0, zIndex: 1, bgcolor: "background.paper" });
const withTrend = below(MIDDLE, { width: 120 });

const columns: readonly Column[] = [
  { key: "name", label: "Host", width: 170, sx: name },
  { key: "state", label: "State", width: 118 },
  { key: "os", label: "System", width: 122, sx: onlyWide },
  { key: "cpu", label: "CPU", width: 204, sx: withTrend },
  { key: "memory", label: "Memory", width: 122 },
  { key: "disk", label: "Fullest disk", width: 122 },
  { key: "load", label: "Load", width: 70, right: true, sx: notNarrow },
  { key: "uptime", label: "Up", width: 82, right: true, sx: notNarrow },
  { key: "seen", label: "Last seen", width: 102, right: true },
  { key: "version", label: "Agent", width: 80, sx: onlyWide },
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
    <ScrollingTable
      label="Hosts"
      busy={rows === undefined || dimmed}
      fixed
      sx={{
        "& th, & td": { px: 1.25 },
        bgcolor: "background.paper",
        border: 1,
        borderColor: "divider",
        borderRadius: 1,
        opacity: dimmed ? 0.6 : 1,
        transition: "opacity 150ms",
      }}
    >
      <TableHead>
        <TableRow>
          {columns.map((c) => (
            <TableCell
              key={c.key}
              align={c.right ? "right" : "left"}
              sx={{ width: c.width, ...c.sx }}
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
    </ScrollingTable>
  );
}

function Row({ row: { agent, values, trend }, now }: { row: HostRow; now: number }) {
  const seen = timestamp(agent.lastAckTime);
  const system = agent.osDescription ?? agent.osType ?? NO_VALUE;
  return (
    <TableRow hover sx={{ height: 37 }}>
      <TableCell component="th" scope="row" sx={{ ...clipped, ...name }} title={agent.hostName}>
        <Link
          component={RouterLink}
          to={`/hosts/${encodeURIComponent(agent.id ?? "")}`}
          sx={{ fontWeight: 600 }}
        >
          {agent.hostName ?? agent.id}
        </Link>
      </TableCell>
      <TableCell>
        <StateMark state={agent.state} />
      </TableCell>
      <TableCell sx={{ ...clipped, ...onlyWide }} title={system}>
        {system}
      </TableCell>
      <TableCell>
        <Box sx={{ display: "flex", alignItems: "center", gap: 1.5 }}>
          <Meter label="CPU" value={values.cpu} warn={0.8} bad={0.95} />
          <Box sx={notNarrow}>
            <Sparkline values={trend} />
          </Box>
        </Box>
      </TableCell>
      <TableCell>
        <Meter label="Memory" value={values.memory} />
      </TableCell>
      <TableCell>
        <Meter label="Fullest disk" value={values.disk} />
      </TableCell>
      <TableCell align="right" sx={notNarrow}>
        {formatValue(values.load, "number")}
      </TableCell>
      <TableCell align="right" sx={notNarrow}>
        {values.uptime === undefined ? NO_VALUE : formatUptime(values.uptime)}
      </TableCell>
      <TableCell align="right" title={seen === undefined ? undefined : formatMoment(seen, now)}>
        {seen === undefined ? "never" : formatAgo(seen, now)}
      </TableCell>
      <TableCell sx={{ ...clipped, ...onlyWide }}>{agent.agentVersion ?? NO_VALUE}</TableCell>
    </TableRow>
  );
}

const clipped = { overflow: "hidden", textOverflow: "ellipsis", whiteSpace: "nowrap" };

function LoadingRows() {
  return Array.from({ length: 8 }, (_, i) => (
    <TableRow key={i} sx={{ height: 37 }}>
      {columns.map((c) => (
        <TableCell key={c.key} sx={c.sx ?? {}}>
          <Skeleton width={c.right ? "60%" : "75%"} sx={c.right ? { ml: "auto" } : {}} />
        </TableCell>
      ))}
    </TableRow>
  ));
}
