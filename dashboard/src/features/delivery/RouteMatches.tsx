import Box from "@mui/material/Box";
import type { RouteMatch } from "../../api/schema";
import { Labels } from "../../components/Labels";
import { seconds } from "../../lib/proto-json";
import { promDuration } from "../../lib/prom-duration";

/** Who would be told about the labels that were tried. */
export function RouteMatches({ matches }: { matches: readonly RouteMatch[] }) {
  return (
    <Box role="status" sx={{ mt: 1.5, fontSize: "0.8125rem" }}>
      {matches.length === 0 ? "Nobody would be told." : ""}
      <Box
        component="ol"
        aria-label="Routes that match"
        sx={{ listStyle: "none", m: 0, p: 0, display: "grid", gap: 1 }}
      >
        {matches.map((match) => (
          <Box
            component="li"
            key={match.path}
            sx={{ borderLeft: 3, borderColor: match.mutedBy ? "divider" : "primary.main", pl: 1 }}
          >
            <Match match={match} />
          </Box>
        ))}
      </Box>
    </Box>
  );
}

function Match({ match }: { match: RouteMatch }) {
  const escalation = match.escalation ?? [];
  return (
    <>
      <Box>
        At once:{" "}
        <Box component="strong" sx={{ fontWeight: 600 }}>
          {match.receivers?.length ? match.receivers.join(", ") : "nobody"}
        </Box>{" "}
        <Box component="span" sx={{ color: "text.secondary" }}>
          route {match.path}
        </Box>
      </Box>
      {escalation.map((step, i) => (
        <Box key={i}>
          After {promDuration(seconds(step.after) ?? 0)} without acknowledgement:{" "}
          <Box component="strong" sx={{ fontWeight: 600 }}>
            {step.receivers?.join(", ")}
          </Box>
        </Box>
      ))}
      {match.mutedBy && <Box sx={{ color: "warning.main" }}>Not now: {match.mutedBy}</Box>}
      {Object.keys(match.groupLabels ?? {}).length > 0 && (
        <Box sx={{ display: "flex", gap: 0.75, alignItems: "baseline", color: "text.secondary" }}>
          Group <Labels labels={match.groupLabels ?? {}} />
        </Box>
      )}
    </>
  );
}
