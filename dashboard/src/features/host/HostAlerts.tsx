import Box from "@mui/material/Box";
import Link from "@mui/material/Link";
import { useMemo } from "react";
import { Link as RouterLink } from "react-router";
import { AlertsTable } from "../../components/alerts/AlertsTable";
import { useAlerts } from "../../components/alerts/useAlerts";
import { Panel } from "../../components/Panel";
import { formatCount } from "../../lib/format";
import { writeMatcher, writeMatchers } from "../../lib/matchers";
import type { Matcher } from "../../lib/promql";
import { useNow } from "../../lib/useNow";

/** So many alerts stand above the charts of a host; the rest is in the list. */
const SHOWN = 5;

/** The alerts of a host; nothing at all while there are none. */
export function HostAlerts({ of }: { of: readonly Matcher[] }) {
  const now = useNow(5000);
  const query = useMemo(() => ({ matchers: of.map(writeMatcher), pageSize: SHOWN }), [of]);
  const list = useAlerts(query);
  const alerts = list.data?.alerts ?? [];
  const total = list.data?.totalSize ?? 0;
  if (alerts.length === 0) return null;
  const all = new URLSearchParams({ matcher: writeMatchers(of) }).toString();
  return (
    <Box sx={{ mb: 1.5 }}>
      <Panel
        title="Alerts"
        aside={
          <Link component={RouterLink} to={`/alerts?${all}`}>
            {total > alerts.length ? `all ${formatCount(total)}` : "in the list"}
          </Link>
        }
        padded={false}
      >
        <AlertsTable label="Alerts of the host" alerts={alerts} now={now} withHost={false} />
      </Panel>
    </Box>
  );
}
