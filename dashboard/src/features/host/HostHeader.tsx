import Box from "@mui/material/Box";
import Link from "@mui/material/Link";
import Skeleton from "@mui/material/Skeleton";
import Typography from "@mui/material/Typography";
import { Link as RouterLink } from "react-router";
import type { ReactNode } from "react";
import type { Agent } from "../../api/schema";
import { FactList, type Fact } from "../../components/FactList";
import { StateMark } from "../../components/StateMark";
import { formatAgo, formatCount, formatSeconds, formatUptime, formatValue } from "../../lib/format";
import { int64, timestamp } from "../../lib/proto-json";
import { useNow } from "../../lib/useNow";
import type { Facts } from "./useHostTables";

interface Props {
  /** undefined while it is loaded. */
  agent: Agent | undefined;
  facts: Facts | undefined;
  /** Stands at the right. */
  children: ReactNode;
}

/** A clock that is further off than this is worth a word. */
const SKEW = 1000;

/** Says which host the page is about, and how it is. */
export function HostHeader({ agent, facts, children }: Props) {
  return (
    <Box component="header" sx={{ mb: 1.5 }}>
      <Box sx={{ display: "flex", flexWrap: "wrap", alignItems: "center", columnGap: 1.5, rowGap: 1 }}>
        <Typography variant="h1" sx={{ display: "flex", gap: 0.75, minWidth: 0 }}>
          <Link component={RouterLink} to="/hosts" color="text.secondary" sx={{ fontWeight: 450 }}>
            Hosts
          </Link>
          <Box component="span" aria-hidden sx={{ color: "text.secondary", fontWeight: 400 }}>
            /
          </Box>
          <Box component="span" sx={{ overflowWrap: "anywhere" }}>
            {agent ? agent.hostName : <Skeleton width={140} />}
          </Box>
        </Typography>
        {agent && <StateMark state={agent.state} />}
        <Box sx={{ ml: "auto" }}>{children}</Box>
      </Box>
      <Facts agent={agent} facts={facts} />
    </Box>
  );
}

function Facts({ agent, facts }: { agent: Agent | undefined; facts: Facts | undefined }) {
  const now = useNow(5000);
  if (!agent) return <Skeleton width={480} sx={{ mt: 0.5 }} />;
  const seen = timestamp(agent.lastAckTime);
  const skew = int64(agent.clockSkewMs);
  const items: Fact[] = [
    ["System", agent.osDescription ?? agent.osType],
    [
      "CPUs",
      facts?.cpus === undefined
        ? undefined
        : [formatCount(facts.cpus), facts.info.cpu_model].filter(Boolean).join(" × "),
    ],
    ["Memory", facts?.memory === undefined ? undefined : formatValue(facts.memory, "bytes")],
    ["Kernel", facts?.info.kernel_release],
    ["Model", [facts?.info.system_vendor, facts?.info.system_model].filter(Boolean).join(" ")],
    ["Up", facts?.uptime === undefined ? undefined : formatUptime(facts.uptime)],
    ["Last seen", seen === undefined ? "never" : formatAgo(seen, now)],
    ["Clock off by", Math.abs(skew) > SKEW ? formatSeconds(skew / 1000) : undefined],
    ["Agent", agent.agentVersion],
    ...Object.entries(agent.tags ?? {}),
  ];
  return (
    <Box sx={{ mt: 0.5 }}>
      <FactList facts={items} />
    </Box>
  );
}
