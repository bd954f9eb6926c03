import Box from "@mui/material/Box";
import Typography from "@mui/material/Typography";
import { messageOf } from "../../api/errors";
import { usePlatformStatus } from "../../app/heartbeat";
import { Notice } from "../../components/Notice";
import { usePageTitle } from "../../lib/usePageTitle";
import { PartitionsTable } from "./PartitionsTable";
import { Readiness } from "./Readiness";
import { Tiles } from "./Tiles";

/** How the platform itself is: its lag, refusals and size. */
export function PlatformPage() {
  usePageTitle("Platform");
  const status = usePlatformStatus();
  return (
    <>
      <Typography variant="h1" sx={{ mb: 1.5 }}>
        Platform
      </Typography>
      {status.isError && !status.data ? (
        <Notice
          alert
          title="The state of the platform could not be loaded"
          minHeight={320}
          action={{ label: "Try again", run: () => void status.refetch() }}
        >
          {messageOf(status.error)}
        </Notice>
      ) : (
        <Box sx={{ display: "grid", gap: 1.5 }}>
          <Readiness status={status.data} />
          <Tiles status={status.data} at={status.dataUpdatedAt} />
          <PartitionsTable partitions={status.data?.partitions} />
        </Box>
      )}
    </>
  );
}
