import Box from "@mui/material/Box";
import TableBody from "@mui/material/TableBody";
import TableCell from "@mui/material/TableCell";
import TableHead from "@mui/material/TableHead";
import TableRow from "@mui/material/TableRow";
import type { Partition } from "../../api/schema";
import { Notice } from "../../components/Notice";
import { Panel } from "../../components/Panel";
import { ScrollingTable } from "../../components/ScrollingTable";
import { levelOf } from "../../lib/colors";
import { formatCount, formatSeconds, formatValue } from "../../lib/format";
import { int64 } from "../../lib/proto-json";
import { backlog } from "./backlog";

/** Lag that is worth a look, and lag that is trouble, milliseconds. */
const WARN = 5000;
const BAD = 30_000;
const colors = { ok: "text.primary", warn: "warning.main", bad: "error.main" };

/** The ingest log, and how far behind it storage is. */
export function PartitionsTable({ partitions }: { partitions: readonly Partition[] | undefined }) {
  return (
    <Panel title="Ingest log" aside="acknowledged records, and how far storage is with them" padded={false}>
      {!partitions?.length ? (
        <Notice title={partitions ? "No partition is served here" : "Loading"} minHeight={100} />
      ) : (
        <ScrollingTable label="Partitions of the ingest log">
          <TableHead>
            <TableRow>
              <TableCell>Partition</TableCell>
              <TableCell align="right">Lag</TableCell>
              <TableCell align="right">Not in the head</TableCell>
              <TableCell align="right">Not in the database</TableCell>
              <TableCell align="right">Kept</TableCell>
              <TableCell align="right">Size</TableCell>
            </TableRow>
          </TableHead>
          <TableBody>
            {partitions.map((p) => (
              <Row key={p.partition ?? 0} partition={p} />
            ))}
          </TableBody>
        </ScrollingTable>
      )}
    </Panel>
  );
}

function Row({ partition: p }: { partition: Partition }) {
  const log = { first: int64(p.firstOffset), next: int64(p.nextOffset) };
  const lag = int64(p.lagMs);
  const level = levelOf(lag, WARN, BAD);
  return (
    <TableRow>
      <TableCell component="th" scope="row">
        {p.partition ?? 0}
      </TableCell>
      <TableCell align="right">
        <Box component="span" sx={{ color: colors[level], fontWeight: level === "ok" ? 400 : 600 }}>
          {formatSeconds(lag / 1000)}
        </Box>
      </TableCell>
      <TableCell align="right">{formatCount(backlog(log, int64(p.headOffset)))}</TableCell>
      <TableCell align="right">{formatCount(backlog(log, int64(p.committedOffset)))}</TableCell>
      <TableCell align="right">{formatCount(log.next - log.first)}</TableCell>
      <TableCell align="right">{formatValue(int64(p.bytes), "bytes")}</TableCell>
    </TableRow>
  );
}
