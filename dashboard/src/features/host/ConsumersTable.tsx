import Box from "@mui/material/Box";
import TableBody from "@mui/material/TableBody";
import TableCell from "@mui/material/TableCell";
import TableHead from "@mui/material/TableHead";
import TableRow from "@mui/material/TableRow";
import TableSortLabel from "@mui/material/TableSortLabel";
import { useState } from "react";
import { messageOf } from "../../api/errors";
import { Notice } from "../../components/Notice";
import { Panel } from "../../components/Panel";
import { ScrollingTable } from "../../components/ScrollingTable";
import { formatCount, formatValue, NO_VALUE } from "../../lib/format";
import type { Matcher } from "../../lib/promql";
import { useConsumers, type ConsumerOrder } from "./useHostTables";
import { TOP } from "./tables";

/** The processes that use most, now. */
export function ConsumersTable({ of }: { of: readonly Matcher[] }) {
  const [order, setOrder] = useState<ConsumerOrder>("cpu");
  const list = useConsumers(of, order);
  return (
    <Panel title="Top processes" aside="by program and owner, now" padded={false}>
      {!list.data?.length ? (
        <Notice
          title={
            list.isPending ? "Loading" : list.isError ? "They could not be loaded" : "No processes reported"
          }
          minHeight={TOP * 33}
        >
          {list.isError && messageOf(list.error)}
        </Notice>
      ) : (
        <ScrollingTable label="Top processes" sx={{ minHeight: (TOP + 1) * 33 }}>
          <TableHead>
            <TableRow>
              <TableCell>Program</TableCell>
              <TableCell>Owner</TableCell>
              <Sortable by="cpu" label="CPU" order={order} onOrder={setOrder} />
              <Sortable by="memory" label="Memory" order={order} onOrder={setOrder} />
              <TableCell align="right">Processes</TableCell>
              <TableCell align="right">Threads</TableCell>
            </TableRow>
          </TableHead>
          <TableBody>
            {list.data.map((c) => (
              <TableRow key={JSON.stringify([c.program, c.owner])}>
                <TableCell component="th" scope="row" sx={clipped} title={c.program}>
                  {c.program}
                </TableCell>
                <TableCell sx={clipped}>
                  <Box component="span" sx={{ color: "text.secondary" }}>
                    {c.owner}
                  </Box>
                </TableCell>
                <TableCell align="right">{formatValue(c.cpu, "ratio")}</TableCell>
                <TableCell align="right">{formatValue(c.memory, "bytes")}</TableCell>
                <TableCell align="right">{formatWhole(c.count)}</TableCell>
                <TableCell align="right">{formatWhole(c.threads)}</TableCell>
              </TableRow>
            ))}
          </TableBody>
        </ScrollingTable>
      )}
    </Panel>
  );
}

const formatWhole = (n: number | undefined) => (n === undefined ? NO_VALUE : formatCount(n));

const clipped = { maxWidth: 180, overflow: "hidden", textOverflow: "ellipsis", whiteSpace: "nowrap" };

interface SortableProps {
  by: ConsumerOrder;
  label: string;
  order: ConsumerOrder;
  onOrder: (order: ConsumerOrder) => void;
}

function Sortable({ by, label, order, onOrder }: SortableProps) {
  return (
    <TableCell align="right" {...(order === by && { sortDirection: "desc" as const })}>
      <TableSortLabel active={order === by} direction="desc" onClick={() => onOrder(by)}>
        {label}
      </TableSortLabel>
    </TableCell>
  );
}
