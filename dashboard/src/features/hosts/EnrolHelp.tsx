import Box from "@mui/material/Box";
import { Notice } from "../../components/Notice";

/** Stands for the list as long as there is no host: says how to get one. */
export function EnrolHelp() {
  return (
    <Notice title="No hosts yet" minHeight={320}>
      Make a token on the server, and enrol an agent with it on the host that you want to watch. It appears
      here by itself, within seconds.
      <Box
        component="pre"
        tabIndex={0}
        sx={{
          mt: 1.5,
          p: 1.5,
          textAlign: "left",
          bgcolor: "action.hover",
          borderRadius: 1,
          overflowX: "auto",
          fontSize: "0.8125rem",
          color: "text.primary",
        }}
      >
        <code>
          {"esmon token create\nesmon-agent enroll --server ADDRESS:8443 --token TOKEN\nesmon-agent run"}
        </code>
      </Box>
    </Notice>
  );
}
