import Box from "@mui/material/Box";
import Link from "@mui/material/Link";
import TableBody from "@mui/material/TableBody";
import TableCell from "@mui/material/TableCell";
import TableHead from "@mui/material/TableHead";
import TableRow from "@mui/material/TableRow";
import { Link as RouterLink } from "react-router";
import type { Rule } from "../../api/schema";
import { Panel } from "../../components/Panel";
import { ScrollingTable } from "../../components/ScrollingTable";
import { SeverityMark } from "../../components/SeverityMark";
import { Tag } from "../../components/Tag";
import { formatAgo, formatCount, formatMoment, formatRatio, formatSeconds, NO_VALUE } from "../../lib/format";
import { int64, seconds, timestamp } from "../../lib/proto-json";
import { promDuration } from "../../lib/prom-duration";
import type { RuleGroup } from "./groups";
import { Health } from "./health";

/** A group of rules with how each is. */
export function RuleGroupPanel({ group, now }: { group: RuleGroup; now: number }) {
  const interval = seconds(group.rules[0]?.interval);
  return (
    // What is not near the screen need not be laid out: there may be a thousand rules.
    <Box sx={{ contentVisibility: "auto", containIntrinsicSize: `auto ${70 + group.rules.length * 34}px` }}>
      <Panel
        title={group.name}
        aside={`${group.file}${interval === undefined ? "" : `, every ${promDuration(interval)}`}`}
        padded={false}
      >
        <ScrollingTable label={`Rules of ${group.name}`} fixed minWidth={760}>
          <TableHead>
            <TableRow>
              <TableCell>Rule</TableCell>
              <TableCell sx={{ width: 100 }}>Severity</TableCell>
              <TableCell sx={{ width: 150 }}>Health</TableCell>
              {["Firing", "Pending", "Held"].map((name) => (
                <TableCell key={name} align="right" sx={{ width: 78 }}>
                  {name}
                </TableCell>
              ))}
              <TableCell align="right" sx={{ width: 112 }}>
                Evaluated
              </TableCell>
              <TableCell align="right" sx={{ width: 84 }}>
                Took
              </TableCell>
            </TableRow>
          </TableHead>
          <TableBody>
            {group.rules.map((rule) => (
              <Row key={rule.id} rule={rule} now={now} />
            ))}
          </TableBody>
        </ScrollingTable>
      </Panel>
    </Box>
  );
}

function Row({ rule, now }: { rule: Rule; now: number }) {
  const evaluated = timestamp(rule.evaluationTime);
  const took = seconds(rule.evaluationDuration);
  return (
    <TableRow hover>
      <TableCell component="th" scope="row" sx={{ overflowWrap: "anywhere" }}>
        <Link
          component={RouterLink}
          to={`/rules/${encodeURIComponent(rule.id ?? "")}`}
          sx={{ fontWeight: 600 }}
        >
          {rule.name}
        </Link>{" "}
        {rule.recording && <Tag title="It records a metric and never alerts.">recording</Tag>}
        {rule.coverage !== undefined && rule.coverage < 1 && (
          <Tag tone="warn" title="Share of the live agents whose data the last evaluation had">
            data of {formatRatio(rule.coverage)}
          </Tag>
        )}
        {rule.lastError && (
          <Box sx={{ color: "error.main", fontSize: "0.75rem", fontWeight: 400 }}>{rule.lastError}</Box>
        )}
      </TableCell>
      <TableCell>
        <SeverityMark severity={rule.severity} />
      </TableCell>
      <TableCell>
        <Health health={rule.health} error={rule.lastError} />
      </TableCell>
      <Count n={int64(rule.firing)} color="error.main" recording={rule.recording} />
      <Count n={int64(rule.pending)} color="warning.main" recording={rule.recording} />
      <Count n={int64(rule.held)} color="warning.main" recording={rule.recording} />
      <TableCell align="right" title={evaluated === undefined ? undefined : formatMoment(evaluated, now)}>
        {evaluated === undefined ? "never" : formatAgo(evaluated, now)}
      </TableCell>
      <TableCell align="right">{took === undefined ? NO_VALUE : formatSeconds(took)}</TableCell>
    </TableRow>
  );
}

function Count({
  n,
  color,
  recording = false,
}: {
  n: number;
  color: string;
  recording?: boolean | undefined;
}) {
  return (
    <TableCell align="right" sx={{ color: n > 0 ? color : "text.secondary", fontWeight: n > 0 ? 600 : 400 }}>
      {recording ? "" : formatCount(n)}
    </TableCell>
  );
}
