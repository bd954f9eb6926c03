import Box from "@mui/material/Box";
import Skeleton from "@mui/material/Skeleton";
import { useState } from "react";
import type { PlatformStatus } from "../../api/schema";
import { formatCount, formatSeconds, formatShort, formatValue, NO_VALUE } from "../../lib/format";
import { int64, timestamp } from "../../lib/proto-json";
import { useNow } from "../../lib/useNow";
import { perSecond, type Reading } from "./rate";

interface Props {
  status: PlatformStatus | undefined;
  /** When the status came. */
  at: number;
}

/** The platform in figures. */
export function Tiles({ status, at }: Props) {
  const now = useNow(5000);
  const rate = useSampleRate(status, at);
  const start = timestamp(status?.startTime);
  const refused = int64(status?.framesRefused);
  const tiles: [string, string, string?][] = [
    [
      "Agents connected",
      `${formatCount(int64(status?.agentsConnected))} of ${formatCount(int64(status?.agents))}`,
    ],
    ["Active series", formatCount(int64(status?.activeSeries)), "in the last 15 min"],
    [
      "Samples a second",
      rate === undefined ? NO_VALUE : formatShort(rate),
      `${formatShort(int64(status?.samplesIngested))} since the start`,
    ],
    ["Frames refused", formatCount(refused), "since the start"],
    ["Data on disk", formatValue(int64(status?.dataBytes), "bytes")],
    [
      "Running for",
      start === undefined ? NO_VALUE : formatSeconds(Math.max(0, Math.round((now - start) / 1000))),
      `version ${status?.version ?? NO_VALUE}`,
    ],
  ];
  return (
    <Box
      component="dl"
      sx={{ m: 0, display: "grid", gap: 1.5, gridTemplateColumns: "repeat(auto-fit, minmax(170px, 1fr))" }}
    >
      {tiles.map(([name, value, note]) => (
        <Box
          key={name}
          sx={{ p: 1.5, bgcolor: "background.paper", border: 1, borderColor: "divider", borderRadius: 1 }}
        >
          <Box component="dt" sx={{ fontSize: "0.75rem", color: "text.secondary" }}>
            {name}
          </Box>
          <Box component="dd" sx={{ m: 0, fontSize: "1.25rem", fontWeight: 600, letterSpacing: "-0.01em" }}>
            {status ? value : <Skeleton width={80} />}
            <Box
              component="span"
              sx={{
                display: "block",
                fontSize: "0.75rem",
                fontWeight: 400,
                color: "text.secondary",
                minHeight: 18,
              }}
            >
              {status && note}
            </Box>
          </Box>
        </Box>
      ))}
    </Box>
  );
}

function useSampleRate(status: PlatformStatus | undefined, at: number): number | undefined {
  const [readings, setReadings] = useState<{ before?: Reading; last?: Reading }>({});
  if (status && readings.last?.at !== at) {
    const reading = { at, start: status.startTime ?? "", count: int64(status.samplesIngested) };
    setReadings({ ...(readings.last && { before: readings.last }), last: reading });
  }
  return readings.last && perSecond(readings.before, readings.last);
}
