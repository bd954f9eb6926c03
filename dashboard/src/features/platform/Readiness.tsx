import Alert from "@mui/material/Alert";
import Box from "@mui/material/Box";
import Skeleton from "@mui/material/Skeleton";
import type { PlatformStatus } from "../../api/schema";

/** Says whether every part can do its work, and if not, why. */
export function Readiness({ status }: { status: PlatformStatus | undefined }) {
  if (!status) return <Skeleton variant="rounded" height={46} />;
  if (status.ready)
    return (
      <Alert severity="success" variant="outlined">
        Every part can do its work.
      </Alert>
    );
  return (
    <Alert severity="error" variant="outlined">
      Not ready
      <Box component="ul" sx={{ m: 0, pl: 2.5 }}>
        {(status.reasons ?? []).map((reason) => (
          <li key={reason}>{reason}</li>
        ))}
      </Box>
    </Alert>
  );
}
