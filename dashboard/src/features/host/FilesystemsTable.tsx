import Box from "@mui/material/Box";
import TableBody from "@mui/material/TableBody";
import TableCell from "@mui/material/TableCell";
import TableHead from "@mui/material/TableHead";
import TableRow from "@mui/material/TableRow";
import { messageOf } from "../../api/errors";
import { Meter } from "../../components/Meter";
import { Notice } from "../../components/Notice";
import { Panel } from "../../components/Panel";
import { ScrollingTable } from "../../components/ScrollingTable";
import { formatValue } from "../../lib/format";
import type { Matcher } from "../../lib/promql";
import { shareUsed, useFilesystems, type Filesystem } from "./useHostTables";

/** The filesystems of a host, now, the fullest first. */
export function FilesystemsTable({ of }: { of: readonly Matcher[] }) {
  const list = useFilesystems(of);
  return (
    <Panel title="Filesystems" aside="now" padded={false}>
      {!list.data?.length ? (
        <Notice
          title={
            list.isPending
              ? "Loading"
              : list.isError
                ? "They could not be loaded"
                : "No filesystems reported yet"
          }
        >
          {list.isError && messageOf(list.error)}
        </Notice>
      ) : (
        <ScrollingTable label="Filesystems" fixed minWidth={566} sx={{ maxHeight: 363 }}>
          <TableHead>
            <TableRow>
              <TableCell>Mounted at</TableCell>
              <TableCell sx={{ width: 124 }}>Used</TableCell>
              <TableCell align="right" sx={{ width: 84 }}>
                Free
              </TableCell>
              <TableCell align="right" sx={{ width: 84 }}>
                Size
              </TableCell>
              <TableCell sx={{ width: 124 }}>Inodes</TableCell>
            </TableRow>
          </TableHead>
          <TableBody>
            {list.data.map((fs) => (
              <Row key={JSON.stringify([fs.mountpoint, fs.device])} fs={fs} />
            ))}
          </TableBody>
        </ScrollingTable>
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
        <Box
          title={`${fs.device} (${fs.type})`}
          sx={{ ...clipped, color: "text.secondary", fontSize: "0.75rem" }}
        >
          {fs.stuck && (
            <Box component="span" sx={{ color: "error.main" }}>
              does not answer ·{" "}
            </Box>
          )}
          {fs.readOnly && "read-only · "}
          {fs.device} · {fs.type}
        </Box>
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

const clipped = { overflow: "hidden", textOverflow: "ellipsis", whiteSpace: "nowrap" };
