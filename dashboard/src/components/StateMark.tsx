import type { AgentState } from "../api/schema";
import { Dot } from "./Dot";

interface Look {
  text: string;
  color: string;
  /** Said on hover and to screen readers. */
  help: string;
}

const looks: Record<AgentState, Look> = {
  AGENT_STATE_CONNECTED: { text: "Connected", color: "success.main", help: "Its stream is open." },
  AGENT_STATE_DISCONNECTED: {
    text: "Disconnected",
    color: "error.main",
    help: "Its stream is closed: the host, its agent or the network is down.",
  },
  AGENT_STATE_ENROLLED: {
    text: "Enrolled",
    color: "text.secondary",
    help: "It has an identity and never connected.",
  },
  AGENT_STATE_REVOKED: { text: "Revoked", color: "text.secondary", help: "Its identity was ended." },
  AGENT_STATE_CLONED: {
    text: "Cloned",
    color: "warning.main",
    help: "Its identity was seen on two hosts; it must enrol anew.",
  },
  AGENT_STATE_UNSPECIFIED: { text: "Unknown", color: "text.secondary", help: "Its state is not known." },
};

/** The state of an agent: a word, and a dot for the eye. */
export function StateMark({ state = "AGENT_STATE_UNSPECIFIED" }: { state?: AgentState | undefined }) {
  const look = looks[state];
  return (
    <Dot color={look.color} title={look.help}>
      {look.text}
    </Dot>
  );
}
