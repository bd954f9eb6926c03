import Box from "@mui/material/Box";
import { useMemo } from "react";
import { EpisodeLanes } from "../../components/charts/EpisodeLanes";
import { lanesOf } from "../../components/charts/episodes";
import { formatCount } from "../../lib/format";
import { VERSIONS } from "./compare";
import type { BacktestOutcome } from "./useBacktest";

interface Props {
  result: BacktestOutcome;
  /** What the chart above shows. */
  span: { from: number; to: number };
  host: string | undefined;
  onHost: (host: string | undefined) => void;
}

/** More hosts than this cannot be looked at. */
const LANES = 15;

/** When a rule would have fired, host by host, below the chart of its value. */
export function BacktestLanes({ result: { versions, span: tried }, span, host, onHost }: Props) {
  const lanes = useMemo(() => {
    const episodes = versions.map((v) => v.episodes ?? []);
    return lanesOf(episodes, tried.to);
  }, [versions, tried]);
  if (lanes.length === 0) return null;
  const several = versions.length > 1;
  return (
    <Box sx={{ mt: 1 }}>
      {several && <Key />}
      <EpisodeLanes
        label="When it would have fired, by host"
        lanes={lanes.slice(0, LANES)}
        span={span}
        versions={several ? VERSIONS : []}
        chosen={host}
        onChoose={(name) => onHost(name === host ? undefined : name)}
      />
      <Box sx={{ color: "text.secondary", fontSize: "0.75rem", pt: 0.5 }}>
        {lanes.length > LANES &&
          `The ${LANES} hosts that would have fired longest, of ${formatCount(lanes.length)}. `}
        Choose a host to shade its episodes alone.
      </Box>
    </Box>
  );
}

function Key() {
  return (
    <Box sx={{ display: "flex", gap: 2, pb: 0.5, fontSize: "0.75rem", color: "text.secondary" }}>
      {VERSIONS.map((name, i) => (
        <Box key={name} component="span" sx={{ display: "inline-flex", alignItems: "center", gap: 0.75 }}>
          <Box
            aria-hidden
            component="span"
            sx={{ width: 14, height: 6, borderRadius: 0.5, bgcolor: i === 0 ? "error.main" : "primary.main" }}
          />
          {name}
        </Box>
      ))}
    </Box>
  );
}
