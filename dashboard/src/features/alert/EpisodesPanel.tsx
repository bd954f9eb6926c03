import TableBody from "@mui/material/TableBody";
import TableCell from "@mui/material/TableCell";
import TableHead from "@mui/material/TableHead";
import TableRow from "@mui/material/TableRow";
import type { Episode } from "../../api/schema";
import { Notice } from "../../components/Notice";
import { Panel } from "../../components/Panel";
import { ScrollingTable } from "../../components/ScrollingTable";
import { Tag } from "../../components/Tag";
import { formatMoment, formatSeconds } from "../../lib/format";
import { double, timestamp } from "../../lib/proto-json";
import { formatMeasured } from "../../lib/unit";

interface Props {
  episodes: readonly Episode[];
  unit: string | undefined;
  now: number;
}

/** The times for which an alert fired, newest first. */
export function EpisodesPanel({ episodes, unit, now }: Props) {
  return (
    <Panel title="Episodes" aside="when it fired" padded={false}>
      {episodes.length === 0 ? (
        <Notice title="It has not fired in the time that is kept" minHeight={80} />
      ) : (
        <ScrollingTable label="Episodes" sx={{ maxHeight: 360 }}>
          <TableHead>
            <TableRow>
              <TableCell>Fired</TableCell>
              <TableCell align="right">For</TableCell>
              <TableCell align="right">First value</TableCell>
              <TableCell align="right">Last value</TableCell>
              <TableCell>Note</TableCell>
            </TableRow>
          </TableHead>
          <TableBody>
            {episodes.map((e) => (
              <Row key={e.fireTime} episode={e} unit={unit} now={now} />
            ))}
          </TableBody>
        </ScrollingTable>
      )}
    </Panel>
  );
}

function Row({ episode: e, unit, now }: { episode: Episode; unit: string | undefined; now: number }) {
  const from = timestamp(e.fireTime) ?? 0;
  const to = timestamp(e.resolveTime);
  return (
    <TableRow>
      <TableCell component="th" scope="row">
        {formatMoment(from, now)}
      </TableCell>
      <TableCell align="right">{formatSeconds(Math.round(((to ?? now) - from) / 1000))}</TableCell>
      <TableCell align="right">{formatMeasured(double(e.fireValue), unit)}</TableCell>
      <TableCell align="right">{formatMeasured(double(e.lastValue), unit)}</TableCell>
      <TableCell>
        {to === undefined && <Tag tone="bad">fires</Tag>}
        {e.corrected && <Tag title="Data that came late made or changed it.">corrected</Tag>}
      </TableCell>
    </TableRow>
  );
}
