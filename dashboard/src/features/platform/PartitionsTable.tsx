import Box from "@mui/material/Box";
import Table from "@mui/material/Table";
import TableBody from "@mui/material/TableBody";
import TableCell from "@mui/material/TableCell";
import TableContainer from "@mui/material/TableContainer";
import TableHead from "@mui/material/TableHead";
import TableRow from "@mui/material/TableRow";
import type { Partition } from "../../api/schema";
import { Notice } from "../../components/Notice";
import { Panel } from "../../components/Panel";
import { levelOf } from "../../lib/colors";
import { formatCount, formatSeconds, formatValue } from "../../lib/format";
import { int64 } from "../../lib/proto-json";

/** Lag that is worth a look, and lag that is trouble, milliseconds. */
const WARN = 5000;
const BAD = 30_000;
const colors = { ok: "text.primary", warn: "warning.main", bad: "error.main" };

/** The ingest log, and how far behind it storage is. */
export function PartitionsTable({ partitions }: { partitions: readonly Partition[] | undefined }) {
  return (
    <Panel title="Ingest log" aside="records that were acknowledged, and how far storage is with them" padded={false}>
      {!partitions?.length ? (
        <Notice title={partitions ? "No partition is served here" : "Loading"} minHeight={100} />
      ) : (
        <TableContainer>
          <Table size="small" aria-label="Partitions of the ingest log">
            <TableHead>
              <TableRow>
                <TableCell>Partition</TableCell>
                <TableCell align="right">Lag</TableCell>
                <TableCell align="right">Records not yet in the head</TableCell>
                <TableCell align="right">Records not yet in the database</TableCell>
                <TableCell align="right">Records kept</TableCell>
                <TableCell align="right">Size</TableCell>
              </TableRow>
            </TableHead>
            <TableBody>
              {partitions.map((p) => (
                <Row key={p.partition ?? 0} partition={p} />
              ))}
            </TableBody>
          </Table>
        </TableContainer>
      )}
    </Panel>
  );
}

function Row({ partition: p }: { partition: Partition }) {
  const next = int64(p.nextOffset);
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
      <TableCell align="right">{formatCount(next - 1 - int64(p.headOffset))}</TableCell>
      <TableCell align="right">{formatCount(next - 1 - int64(p.committedOffset))}</TableCell>
      <TableCell align="right">{formatCount(next - int64(p.firstOffset))}</TableCell>
      <TableCell align="right">{formatValue(int64(p.bytes), "bytes")}</TableCell>
    </TableRow>
  );
}
