import Box from "@mui/material/Box";
import Skeleton from "@mui/material/Skeleton";
import { messageOf } from "../../api/errors";
import { Notice } from "../../components/Notice";
import { PageHead } from "../../components/PageHead";
import { usePageTitle } from "../../lib/usePageTitle";
import { CalendarPanel } from "./CalendarPanel";
import { useOnCall } from "./useDelivery";

/** Who is on call, now and in the next two weeks. */
export function OnCallPage() {
  usePageTitle("On call");
  const calendars = useOnCall();
  return (
    <>
      <PageHead title="On call" />
      {calendars.isError && !calendars.data ? (
        <Notice
          alert
          title="The calendars could not be loaded"
          minHeight={320}
          action={{ label: "Try again", run: () => void calendars.refetch() }}
        >
          {messageOf(calendars.error)}
        </Notice>
      ) : !calendars.data ? (
        <Skeleton variant="rounded" height={240} />
      ) : calendars.data.length === 0 ? (
        <Notice title="No calendars yet" minHeight={320}>
          Rotations are written in <code>routes.yaml</code> of the configuration directory of the server.
        </Notice>
      ) : (
        <Box sx={{ display: "grid", gap: 1.5 }}>
          {calendars.data.map((calendar) => (
            <CalendarPanel key={calendar.calendar} calendar={calendar} />
          ))}
        </Box>
      )}
    </>
  );
}
