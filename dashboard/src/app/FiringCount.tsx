import Box from "@mui/material/Box";
import { useQuery } from "@tanstack/react-query";
import { alertsApi } from "../api/alerts";
import { Hidden } from "../components/Hidden";
import { formatShort } from "../lib/format";

const EVERY = 10_000;

/** How many alerts fire, beside the name of their section; nothing while none does. */
export function FiringCount() {
  const answer = useQuery({
    queryKey: ["alerts", "firing"],
    queryFn: async ({ signal }) => {
      const { counts } = await alertsApi.list({ pageSize: 1, states: ["ALERT_STATE_FIRING"] }, signal);
      return counts.firing ?? 0;
    },
    refetchInterval: EVERY,
  });
  const firing = answer.data ?? 0;
  if (firing === 0) return null;
  return (
    <Box
      component="span"
      sx={{
        ml: "auto",
        px: 0.75,
        borderRadius: 4,
        bgcolor: "error.main",
        color: "error.contrastText",
        fontSize: "0.75rem",
        fontWeight: 600,
        lineHeight: 1.5,
      }}
    >
      {formatShort(firing)}
      <Hidden> firing</Hidden>
    </Box>
  );
}
