import Box from "@mui/material/Box";
import Checkbox from "@mui/material/Checkbox";
import Link from "@mui/material/Link";
import Skeleton from "@mui/material/Skeleton";
import TableBody from "@mui/material/TableBody";
import TableCell from "@mui/material/TableCell";
import TableHead from "@mui/material/TableHead";
import TableRow from "@mui/material/TableRow";
import { memo } from "react";
import { Link as RouterLink } from "react-router";
import type { Alert } from "../../api/schema";
import { ScrollingTable } from "../ScrollingTable";
import { SeverityMark } from "../SeverityMark";
import { formatAgo, formatMoment, NO_VALUE } from "../../lib/format";
import { AlertStateMark, Remarks } from "./AlertState";
import { hostOf, remarks, sinceTime, summaryOf, thresholdText, valueText } from "./words";

interface Props {
  label: string;
  /** undefined while they are loaded. */
  alerts: readonly Alert[] | undefined;
  now: number;
  /** True while rows of another page are still shown. */
  dimmed?: boolean;
  /** The chosen ones by id; without it, none can be chosen. */
  selected?: ReadonlyMap<string, Alert>;
  onSelect?: (alerts: readonly Alert[], chosen: boolean) => void;
  /** Says the host of each. */
  withHost?: boolean;
}

const NARROW = { "@container (max-width: 819px)": { display: "none" } };

/** Alerts, one a row. */
export function AlertsTable(props: Props) {
  const { label, alerts, now, dimmed = false, selected, onSelect, withHost = true } = props;
  const chosen = alerts?.filter((a) => selected?.has(a.id ?? "")).length ?? 0;
  return (
    <ScrollingTable
      label={label}
      busy={alerts === undefined || dimmed}
      fixed
      minWidth={520}
      sx={{ opacity: dimmed ? 0.6 : 1, transition: "opacity 150ms", "& th, & td": { px: 1 } }}
    >
      <TableHead>
        <TableRow>
          {onSelect && (
            <TableCell padding="checkbox" sx={{ width: 48, px: "4px !important" }}>
              <Checkbox
                size="small"
                checked={chosen > 0 && chosen === alerts?.length}
                indeterminate={chosen > 0 && chosen !== alerts?.length}
                disabled={!alerts?.length}
                onChange={(e) => onSelect(alerts ?? [], e.target.checked)}
                slotProps={{ input: { "aria-label": "Choose all of this page" } }}
              />
            </TableCell>
          )}
          <TableCell sx={{ width: 90 }}>Severity</TableCell>
          <TableCell>Alert</TableCell>
          {withHost && <TableCell sx={{ width: 170, ...NARROW }}>Host</TableCell>}
          <TableCell align="right" sx={{ width: 150, ...NARROW }}>
            Value
          </TableCell>
          <TableCell sx={{ width: 250, "@container (max-width: 819px)": { width: 150 } }}>State</TableCell>
          <TableCell align="right" sx={{ width: 100 }}>
            Since
          </TableCell>
        </TableRow>
      </TableHead>
      <TableBody>
        {alerts ? (
          alerts.map((alert) => (
            <Row
              key={alert.id}
              alert={alert}
              now={now}
              withHost={withHost}
              {...(onSelect && { selected: selected?.has(alert.id ?? "") ?? false, onSelect })}
            />
          ))
        ) : (
          <LoadingRows columns={4 + Number(withHost) + Number(onSelect !== undefined) + 1} />
        )}
      </TableBody>
    </ScrollingTable>
  );
}

interface RowProps {
  alert: Alert;
  now: number;
  withHost: boolean;
  selected?: boolean;
  onSelect?: (alerts: readonly Alert[], chosen: boolean) => void;
}

const Row = memo(function Row({ alert, now, withHost, selected = false, onSelect }: RowProps) {
  const name = alert.labels?.alertname ?? NO_VALUE;
  const host = hostOf(alert);
  const since = sinceTime(alert);
  const threshold = thresholdText(alert);
  const reason = remarks(alert, now)[0]?.reason;
  return (
    <TableRow hover selected={selected}>
      {onSelect && (
        <TableCell padding="checkbox" sx={{ px: "4px !important" }}>
          <Checkbox
            size="small"
            checked={selected}
            onChange={(e) => onSelect([alert], e.target.checked)}
            slotProps={{ input: { "aria-label": `Choose ${name} ${host}` } }}
          />
        </TableCell>
      )}
      <TableCell>
        <SeverityMark severity={alert.labels?.severity} />
      </TableCell>
      <TableCell component="th" scope="row" sx={{ fontWeight: 400 }}>
        <Box sx={clipped}>
          <Link
            component={RouterLink}
            to={`/alerts/${encodeURIComponent(alert.id ?? "")}`}
            sx={{ fontWeight: 600 }}
          >
            {name}
          </Link>
        </Box>
        <Box sx={{ ...clipped, color: "text.secondary" }} title={summaryOf(alert)}>
          {summaryOf(alert)}
        </Box>
      </TableCell>
      {withHost && (
        <TableCell sx={{ ...clipped, ...NARROW }} title={host}>
          {host || NO_VALUE}
        </TableCell>
      )}
      <TableCell align="right" sx={NARROW}>
        {valueText(alert)}
        {threshold && (
          <Box component="span" sx={{ color: "text.secondary" }}>
            {" "}
            {threshold}
          </Box>
        )}
      </TableCell>
      <TableCell>
        <Box sx={{ display: "flex", flexWrap: "wrap", alignItems: "center", gap: 0.75 }}>
          <AlertStateMark alert={alert} />
          <Remarks alert={alert} now={now} />
        </Box>
        {reason && (
          <Box aria-hidden title={reason} sx={{ ...clipped, color: "text.secondary", ...NARROW }}>
            {reason}
          </Box>
        )}
      </TableCell>
      <TableCell align="right" title={since === undefined ? undefined : formatMoment(since, now)}>
        {since === undefined ? NO_VALUE : formatAgo(since, now)}
      </TableCell>
    </TableRow>
  );
});

const clipped = { overflow: "hidden", textOverflow: "ellipsis", whiteSpace: "nowrap" };

function LoadingRows({ columns }: { columns: number }) {
  return Array.from({ length: 8 }, (_, i) => (
    <TableRow key={i} sx={{ height: 50 }}>
      {Array.from({ length: columns }, (_, c) => (
        <TableCell key={c}>
          <Skeleton width="70%" />
        </TableCell>
      ))}
    </TableRow>
  ));
}
