import Box from "@mui/material/Box";
import { Tag } from "../../components/Tag";
import { seconds } from "../../lib/proto-json";
import { promDuration } from "../../lib/prom-duration";
import type { RouteNode } from "./route-tree";

interface Props {
  root: RouteNode;
  /** Paths of the routes that the tried labels go to. */
  matched: ReadonlySet<string>;
}

/** The routes as a tree: lists in lists, joined by lines. */
export function RouteTree({ root, matched }: Props) {
  return (
    <Box component="ul" aria-label="Routes" sx={{ ...list, pl: 0 }}>
      <Node node={root} matched={matched} first />
    </Box>
  );
}

const list = { listStyle: "none", m: 0, pl: 2.5 };

function Node({
  node,
  matched,
  first = false,
}: {
  node: RouteNode;
  matched: ReadonlySet<string>;
  first?: boolean;
}) {
  const hit = matched.has(node.path);
  return (
    <Box
      component="li"
      sx={{
        position: "relative",
        pt: 0.75,
        // The line down to the next, and the one that leads here.
        ...(!first && {
          "&::before": { ...line, top: 0, bottom: 0, borderLeft: thin },
          "&:last-of-type::before": { bottom: "auto", height: 22 },
          "&::after": { ...line, top: 22, width: 12, borderTop: thin },
        }),
      }}
    >
      <Box
        data-testid={hit ? "matched-route" : undefined}
        sx={{
          border: 1,
          borderColor: hit ? "primary.main" : "divider",
          borderRadius: 1,
          bgcolor: hit ? "action.selected" : "background.default",
          px: 1,
          py: 0.5,
          fontSize: "0.8125rem",
        }}
      >
        <Condition node={node} first={first} />
        <Target node={node} />
        {hit && <Tag>matches</Tag>} <Settings node={node} />
      </Box>
      {node.children.length > 0 && (
        <Box component="ul" sx={list}>
          {node.children.map((child) => (
            <Node key={child.path} node={child} matched={matched} />
          ))}
        </Box>
      )}
    </Box>
  );
}

const line = { content: '""', position: "absolute", left: -12 } as const;
const thin = "1px solid var(--mui-palette-divider)";

function Condition({ node: { route }, first }: { node: RouteNode; first: boolean }) {
  const matchers = route.matchers ?? [];
  return (
    <Box component="span" sx={{ overflowWrap: "anywhere" }}>
      {matchers.length > 0 ? (
        <code>{matchers.join(", ")}</code>
      ) : first ? (
        "Every alert"
      ) : (
        "All that come here"
      )}
    </Box>
  );
}

function Target({ node: { route, receiver, inherited } }: { node: RouteNode }) {
  return (
    <Box component="span">
      {" → "}
      <Box component="strong" sx={{ fontWeight: 600, color: inherited ? "text.secondary" : "text.primary" }}>
        {route.escalation ? `escalation ${route.escalation}` : receiver || "nobody"}
      </Box>{" "}
    </Box>
  );
}

function Settings({ node: { route } }: { node: RouteNode }) {
  const span = (text: string | undefined) => {
    const s = seconds(text);
    return s === undefined ? undefined : promDuration(s);
  };
  const said = [
    route.groupBy?.length && `grouped by ${route.groupBy.join(", ")}`,
    route.groupWait && `gathers for ${span(route.groupWait) ?? ""}`,
    route.groupInterval && `changes every ${span(route.groupInterval) ?? ""}`,
    route.repeatInterval && `again every ${span(route.repeatInterval) ?? ""}`,
    route.muteTimeIntervals?.length && `not in ${route.muteTimeIntervals.join(", ")}`,
    route.activeTimeIntervals?.length && `only in ${route.activeTimeIntervals.join(", ")}`,
    route.continue && "then goes on",
  ].filter(Boolean);
  if (said.length === 0) return null;
  return <Box sx={{ color: "text.secondary", fontSize: "0.75rem" }}>{said.join(" · ")}</Box>;
}
