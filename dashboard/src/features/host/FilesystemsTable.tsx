import Box from "@mui/material/Box";
import Table from "@mui/material/Table";
import TableBody from "@mui/material/TableBody";
import TableCell from "@mui/material/TableCell";
import TableContainer from "@mui/material/TableContainer";
import TableHead from "@mui/material/TableHead";
import TableRow from "@mui/material/TableRow";
import { messageOf } from "../../api/errors";
import { Meter } from "../../components/Meter";
import { Notice } from "../../components/Notice";
import { Panel } from "../../components/Panel";
import { formatValue } from "../../lib/format";
import type { Matcher } from "../../lib/promql";
import { shareUsed, useFilesystems, type Filesystem } from "./useHostTables";

/** The filesystems of a host, now, the fullest first. */
export function FilesystemsTable({ of }: { of: readonly Matcher[] }) {
  const list = useFilesystems(of);
  return (
    <Panel title="Filesystems" aside="now" padded={false}>
      {!list.data?.length ? (
        <Notice title={list.isPending ? "Loading" : list.isError ? "Not to be had" : "No filesystems reported yet"}>
          {list.isError && messageOf(list.error)}
        </Notice>
      ) : (
        <TableContainer sx={{ maxHeight: 363 }}>
          <Table size="small" stickyHeader aria-label="Filesystems">
            <TableHead>
              <TableRow>
                <TableCell>Mounted at</TableCell>
                <TableCell>Device</TableCell>
                <TableCell>Used</TableCell>
                <TableCell align="right">Free</TableCell>
                <TableCell align="right">Size</TableCell>
                <TableCell>Inodes</TableCell>
              </TableRow>
            </TableHead>
            <TableBody>
              {list.data.map((fs) => (
                <Row key={JSON.stringify([fs.mountpoint, fs.device])} fs={fs} />
              ))}
            </TableBody>
          </Table>
        </TableContainer>
      )}
    </Panel>
  );
}

function Row({ fs }: { fs: Filesystem }) {
  const size = fs.used === undefined || fs.free === undefined ? undefined : fs.used + fs.free;
  return (
    <TableRow>
      <TableCell component="th" scope="row" sx={clipped} title={fs.mountpoint}>
        {fs.mountpoint}
        {fs.stuck && <Tag color="error.main">does not answer</Tag>}
        {fs.readOnly && <Tag color="text.secondary">read-only</Tag>}
      </TableCell>
      <TableCell sx={{ ...clipped, color: "text.secondary" }} title={`${fs.device} (${fs.type})`}>
        {fs.device} · {fs.type}
      </TableCell>
      <TableCell>
        <Meter label="Used" value={shareUsed(fs)} />
      </TableCell>
      <TableCell align="right">{formatValue(fs.free, "bytes")}</TableCell>
      <TableCell align="right">{formatValue(size, "bytes")}</TableCell>
      <TableCell>
        <Meter label="Inodes used" value={fs.inodes} />
      </TableCell>
    </TableRow>
  );
}

function Tag({ color, children }: { color: string; children: string }) {
  return (
    <Box component="span" sx={{ ml: 1, color, fontSize: "0.75rem", fontWeight: 400 }}>
      {children}
    </Box>
  );
}

const clipped = { maxWidth: 220, overflow: "hidden", textOverflow: "ellipsis", whiteSpace: "nowrap" };
