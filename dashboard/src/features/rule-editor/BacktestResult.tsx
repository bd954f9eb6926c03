import Alert from "@mui/material/Alert";
import Box from "@mui/material/Box";
import TableBody from "@mui/material/TableBody";
import TableCell from "@mui/material/TableCell";
import TableHead from "@mui/material/TableHead";
import TableRow from "@mui/material/TableRow";
import { useMemo } from "react";
import type { Backtest } from "../../api/schema";
import { ScrollingTable } from "../../components/ScrollingTable";
import { formatCount, formatSeconds } from "../../lib/format";
import { int64, seconds } from "../../lib/proto-json";
import { compareHosts, differs, VERSIONS } from "./compare";

const ROWS = 200;

/** What a rule would have done, for one version or two. */
export function BacktestResult({ versions }: { versions: readonly Backtest[] }) {
  const warnings = [...new Set(versions.flatMap((v) => v.warnings ?? []))];
  return (
    <Box sx={{ display: "grid", gap: 1.5 }}>
      {warnings.map((warning) => (
        <Alert key={warning} severity="warning">
          {warning}
        </Alert>
      ))}
      <Totals versions={versions} />
      <Hosts versions={versions} />
    </Box>
  );
}

function Totals({ versions }: { versions: readonly Backtest[] }) {
  const rows: [string, (v: Backtest) => string][] = [
    ["Episodes", (v) => formatCount(int64(v.totalEpisodes))],
    ["Fired for, all together", (v) => formatSeconds(Math.round(seconds(v.firing) ?? 0))],
    ["Hosts", (v) => formatCount(v.hosts?.length ?? 0)],
    ["Notifications", notifications],
    ["Evaluations", (v) => formatCount(int64(v.evaluations))],
  ];
  return (
    <ScrollingTable label="What it would have done">
      <TableHead>
        <TableRow>
          <TableCell>In all</TableCell>
          {versions.map((_, i) => (
            <TableCell key={i} align="right">
              {versions.length > 1 ? VERSIONS[i] : "Would have been"}
            </TableCell>
          ))}
        </TableRow>
      </TableHead>
      <TableBody>
        {rows.map(([name, write]) => (
          <TableRow key={name}>
            <TableCell component="th" scope="row">
              {name}
            </TableCell>
            {versions.map((v, i) => (
              <TableCell key={i} align="right" sx={{ whiteSpace: "normal !important" }}>
                {write(v)}
              </TableCell>
            ))}
          </TableRow>
        ))}
      </TableBody>
    </ScrollingTable>
  );
}

function notifications(v: Backtest): string {
  const list = Object.entries(v.notifications ?? {}).sort(([a], [b]) => a.localeCompare(b));
  return list.map(([receiver, n]) => `${receiver} ${formatCount(int64(n))}`).join(", ") || "none";
}

function Hosts({ versions }: { versions: readonly Backtest[] }) {
  const rows = useMemo(() => compareHosts(versions), [versions]);
  if (rows.length === 0) return <Box sx={{ fontSize: "0.8125rem" }}>It would not have fired.</Box>;
  return (
    <Box>
      <ScrollingTable label="By host" sx={{ maxHeight: 420 }}>
        <TableHead>
          <TableRow>
            <TableCell>Host</TableCell>
            {versions.map((_, i) => (
              <TableCell key={i} align="right">
                {versions.length > 1 ? `${VERSIONS[i] ?? ""}: episodes` : "Episodes"}
              </TableCell>
            ))}
            {versions.map((_, i) => (
              <TableCell key={i} align="right">
                {versions.length > 1 ? `${VERSIONS[i] ?? ""}: fired for` : "Fired for"}
              </TableCell>
            ))}
          </TableRow>
        </TableHead>
        <TableBody>
          {rows.slice(0, ROWS).map((row) => (
            <TableRow key={row.host} sx={{ "& td, & th": { fontWeight: differs(row) ? 600 : 400 } }}>
              <TableCell component="th" scope="row" sx={{ overflowWrap: "anywhere" }}>
                {row.host || "(no host)"}
              </TableCell>
              {row.parts.map((p, i) => (
                <TableCell key={i} align="right">
                  {formatCount(p.episodes)}
                </TableCell>
              ))}
              {row.parts.map((p, i) => (
                <TableCell key={i} align="right">
                  {formatSeconds(Math.round(p.firing))}
                </TableCell>
              ))}
            </TableRow>
          ))}
        </TableBody>
      </ScrollingTable>
      {rows.length > ROWS && (
        <Box sx={{ color: "text.secondary", fontSize: "0.75rem", pt: 0.5 }}>
          and {formatCount(rows.length - ROWS)} more hosts
        </Box>
      )}
    </Box>
  );
}
