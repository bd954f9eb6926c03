import Box from "@mui/material/Box";
import { messageOf } from "../../api/errors";
import { Notice } from "../../components/Notice";
import { PageHead } from "../../components/PageHead";
import { Panel } from "../../components/Panel";
import { usePageTitle } from "../../lib/usePageTitle";
import { ReceiversTable } from "./ReceiversTable";
import { RoutesPanel } from "./RoutesPanel";
import { useReceivers } from "./useDelivery";

/** Where notifications go, and by which routes. */
export function ReceiversPage() {
  usePageTitle("Receivers");
  const receivers = useReceivers();
  return (
    <>
      <PageHead title="Receivers" />
      <Box sx={{ display: "grid", gap: 1.5 }}>
        <Panel title="Receivers" padded={false}>
          {receivers.data?.length ? (
            <ReceiversTable receivers={receivers.data} />
          ) : receivers.isError && !receivers.data ? (
            <Notice
              alert
              title="The receivers could not be loaded"
              action={{ label: "Try again", run: () => void receivers.refetch() }}
            >
              {messageOf(receivers.error)}
            </Notice>
          ) : (
            <Notice title={receivers.data ? "No receivers yet" : "Loading"}>
              {receivers.data && (
                <>
                  Receivers are named in <code>receivers.yaml</code> of the configuration directory of the
                  server.
                </>
              )}
            </Notice>
          )}
        </Panel>
        <RoutesPanel />
      </Box>
    </>
  );
}
