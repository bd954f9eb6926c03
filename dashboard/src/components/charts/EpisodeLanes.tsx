import Box from "@mui/material/Box";
import { useRef } from "react";
import { formatMoment } from "../../lib/format";
import { Hidden } from "../Hidden";
import { GRID } from "./option";
import { visible, type Band } from "./TimeChart";
import { useWidth } from "./useWidth";

/** A row of spans: one thing that fired now and then. */
export interface Lane {
  name: string;
  /** One list of spans for each version that is compared. */
  bands: readonly (readonly Band[])[];
}

interface Props {
  label: string;
  lanes: readonly Lane[];
  span: Band;
  /** Names of the versions, if there are two. */
  versions?: readonly string[];
  chosen?: string | undefined;
  onChoose?: (name: string) => void;
}

const COLORS = ["error.main", "primary.main"];

/** Spans of time in rows, on the time axis of the chart above. */
export function EpisodeLanes({ label, lanes, span, versions = [], chosen, onChoose }: Props) {
  const box = useRef<HTMLUListElement>(null);
  const width = useWidth(box);
  const room = Math.max(0, width - GRID.left - GRID.right);
  const x = (t: number) => GRID.left + ((t - span.from) / (span.to - span.from)) * room;
  return (
    <Box component="ul" ref={box} aria-label={label} sx={{ listStyle: "none", m: 0, p: 0 }}>
      {lanes.map((lane) => (
        <Box
          component="li"
          key={lane.name}
          sx={{ position: "relative", height: 34, borderTop: 1, borderColor: "divider" }}
        >
          <Box
            component={onChoose ? "button" : "span"}
            {...(onChoose && {
              type: "button",
              "aria-pressed": chosen === lane.name,
              onClick: () => onChoose(lane.name),
            })}
            sx={{
              position: "absolute",
              top: 1,
              left: 4,
              maxWidth: "100%",
              p: 0,
              border: 0,
              bgcolor: "transparent",
              color: chosen === lane.name ? "primary.main" : "text.secondary",
              font: "inherit",
              fontSize: "0.75rem",
              fontWeight: chosen === lane.name ? 600 : 400,
              cursor: onChoose ? "pointer" : "default",
              overflow: "hidden",
              textOverflow: "ellipsis",
              whiteSpace: "nowrap",
            }}
          >
            {lane.name || "(no host)"}
            <Hidden>{describe(lane, span, versions)}</Hidden>
          </Box>
          {lane.bands.map((bands, version) =>
            visible(bands, span).map((band) => (
              <Box
                key={`${version} ${band.from}`}
                aria-hidden
                data-testid="episode"
                title={`${formatMoment(band.from, span.to)} – ${formatMoment(band.to, span.to)}`}
                sx={{
                  position: "absolute",
                  top: lane.bands.length > 1 ? 19 + version * 7 : 20,
                  height: lane.bands.length > 1 ? 6 : 10,
                  left: x(band.from),
                  width: `${Math.max(2, x(band.to) - x(band.from))}px`,
                  bgcolor: COLORS[version],
                  borderRadius: 0.5,
                }}
              />
            )),
          )}
        </Box>
      ))}
    </Box>
  );
}

function describe(lane: Lane, span: Band, versions: readonly string[]): string {
  return lane.bands
    .map((bands, i) => {
      const shown = visible(bands, span);
      const times = shown
        .slice(0, 3)
        .map((b) => `${formatMoment(b.from, span.to)} to ${formatMoment(b.to, span.to)}`);
      const more = shown.length > 3 ? `, and ${shown.length - 3} more` : "";
      return `: ${versions[i] ? `${versions[i]}: ` : ""}${shown.length} times: ${times.join(", ")}${more}`;
    })
    .join("");
}
