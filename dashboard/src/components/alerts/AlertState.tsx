import Box from "@mui/material/Box";
import type { Alert } from "../../api/schema";
import { Dot } from "../Dot";
import { Hidden } from "../Hidden";
import { Tag, type Tone } from "../Tag";
import { CONDITION_NAMES, remarks, stateName, type Condition, type StateName } from "./words";

const looks: Record<StateName | "unknown", { text: string; color: string; help: string }> = {
  firing: { text: "Firing", color: "error.main", help: "Its condition holds." },
  pending: {
    text: "Pending",
    color: "warning.main",
    help: "Its condition holds, not yet for as long as the rule wants.",
  },
  resolved: { text: "Resolved", color: "success.main", help: "It fired and is over." },
  unknown: { text: "Unknown", color: "text.secondary", help: "Its state is not known." },
};

const tones: Record<Condition, Tone> = {
  held: "warn",
  no_data: "warn",
  acknowledged: "good",
  silenced: "quiet",
  inhibited: "quiet",
  flapping: "warn",
};

/** The state of an alert: a word, and a dot for the eye. */
export function AlertStateMark({ alert }: { alert: Pick<Alert, "state"> }) {
  const look = looks[stateName(alert.state)];
  return (
    <Dot color={look.color} title={look.help}>
      {look.text}
    </Dot>
  );
}

/** What is true of an alert besides its state, with the reasons in words if there is room. */
export function Remarks({ alert, now, reasons = false }: { alert: Alert; now: number; reasons?: boolean }) {
  const list = remarks(alert, now);
  if (list.length === 0) return null;
  return (
    <Box
      component="ul"
      aria-label="What to know"
      sx={{
        listStyle: "none",
        m: 0,
        p: 0,
        display: "flex",
        flexDirection: reasons ? "column" : "row",
        flexWrap: "wrap",
        gap: 0.5,
      }}
    >
      {list.map(({ condition, reason }) => (
        <Box component="li" key={condition} sx={{ minWidth: 0 }}>
          <Tag tone={tones[condition]} title={reason}>
            {CONDITION_NAMES[condition]}
          </Tag>
          {reasons ? (
            <Box component="span" sx={{ ml: 0.75, overflowWrap: "anywhere" }}>
              {reason}
            </Box>
          ) : (
            <Hidden>{reason}</Hidden>
          )}
        </Box>
      ))}
    </Box>
  );
}
