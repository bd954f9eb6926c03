import Box from "@mui/material/Box";
import Skeleton from "@mui/material/Skeleton";
import { useMemo, useRef, type ReactNode } from "react";
import type { ChartColors } from "../../lib/colors";
import { formatMoment, formatValue } from "../../lib/format";
import { nearest, type Frame } from "../../lib/frame";
import { useStore } from "../../lib/store";
import { useChartColors } from "../useScheme";
import { useCursor } from "./cursor";
import { Legend } from "./Legend";
import { chartOption, GRID, type ChartLook } from "./option";
import { useCursorMoves } from "./useCursorMoves";
import { useECharts } from "./useECharts";
import { useWidth } from "./useWidth";

export const CHART_HEIGHT = 168;

/** A span of time. */
export interface Band {
  from: number;
  to: number;
}

interface Props {
  label: string;
  /** undefined while it is loaded. */
  frame: Frame | undefined;
  /** True while the frame is that of another span. */
  outdated?: boolean;
  span: { from: number; to: number };
  look: ChartLook;
  legendRows: number;
  /** Lines that are not drawn, because there are too many. */
  hidden?: number;
  /** Spans that are shaded: when something was wrong. */
  bands?: readonly Band[];
  height?: number;
  /** Stands over the empty axes: why there is nothing to see. */
  message?: ReactNode;
  /** Called with the span that was marked with the mouse. */
  onZoom?: (from: number, to: number) => void;
}

/**
 * Lines over time. Its cursor is that of all charts of the page and moves by mouse
 * and by arrow keys; the legend shows the values there.
 */
export function TimeChart({
  label,
  frame,
  outdated = false,
  span,
  look,
  legendRows,
  hidden = 0,
  bands = noBands,
  height = CHART_HEIGHT,
  message,
  onZoom,
}: Props) {
  const colors = useChartColors();
  const cursor = useCursor();
  const at = useStore(cursor);
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const colorOf = useLineColors(frame, look, colors);
  const option = useMemo(
    () => (frame && width > 0 ? chartOption(frame, span, look, colorOf, colors, width) : undefined),
    [frame, span, look, colorOf, colors, width],
  );
  useECharts(canvas, option);
  const { handlers, marked } = useCursorMoves(box, cursor, frame?.t ?? noTimes, span, onZoom);

  const x = (t: number) =>
    GRID.left + ((t - span.from) / (span.to - span.from)) * (width - GRID.left - GRID.right);
  const shown = at !== undefined && at >= span.from && at <= span.to ? at : undefined;
  return (
    <>
      <Box
        ref={box}
        role="slider"
        tabIndex={0}
        aria-label={`${label}: moment`}
        aria-valuemin={span.from}
        aria-valuemax={span.to}
        aria-valuenow={shown ?? span.to}
        aria-valuetext={describe(frame, shown, span.to, look)}
        aria-busy={frame === undefined || outdated}
        {...handlers}
        sx={{
          position: "relative",
          height,
          touchAction: "pan-y",
          userSelect: "none",
          cursor: onZoom ? "crosshair" : "default",
        }}
      >
        {width > 0 &&
          visible(bands, span).map((band) => (
            <Box
              aria-hidden
              key={band.from}
              data-testid="band"
              sx={{
                ...overlay,
                left: x(band.from),
                // As text: a number up to 1 would be a share of the whole.
                width: `${Math.max(1, x(band.to) - x(band.from))}px`,
                bgcolor: "error.main",
                opacity: 0.14,
              }}
            />
          ))}
        <Box ref={canvas} sx={{ position: "absolute", inset: 0 }} />
        {!frame && !message && (
          <Skeleton
            variant="rounded"
            sx={{
              position: "absolute",
              left: GRID.left,
              right: GRID.right,
              top: GRID.top,
              bottom: GRID.bottom,
              height: "auto",
            }}
          />
        )}
        {message !== undefined && (
          <Box
            sx={{
              position: "absolute",
              inset: 0,
              display: "flex",
              alignItems: "center",
              justifyContent: "center",
            }}
          >
            {message}
          </Box>
        )}
        {shown !== undefined && (
          <>
            <Box
              aria-hidden
              sx={{ ...overlay, left: x(shown), width: "1px", bgcolor: "text.secondary", opacity: 0.6 }}
            />
            <CursorTime x={x(shown)} width={width} text={formatMoment(shown, span.to)} />
          </>
        )}
        {marked && (
          <Box
            aria-hidden
            sx={{
              ...overlay,
              left: x(marked.from),
              width: `${x(marked.to) - x(marked.from)}px`,
              bgcolor: "primary.main",
              opacity: 0.15,
            }}
          />
        )}
      </Box>
      <Legend
        frame={frame ?? noFrame}
        unit={look.unit}
        colorOf={colorOf}
        at={shown}
        rows={legendRows}
        hidden={hidden}
      />
    </>
  );
}

/** Gives each line a colour; lines of one thing have the same. */
function useLineColors(
  frame: Frame | undefined,
  look: ChartLook,
  colors: ChartColors,
): (index: number) => string {
  return useMemo(() => {
    const lines = frame?.lines ?? [];
    const hues = [...new Set(lines.map((line) => line.hue))];
    return (index) => {
      const line = lines[index];
      if (!line || look.faint?.includes(line.name)) return colors.grid;
      return colors.series[hues.indexOf(line.hue) % colors.series.length] ?? colors.axis;
    };
  }, [frame, look, colors]);
}

const noBands: readonly Band[] = [];
const noTimes: readonly number[] = [];
const noFrame: Frame = { t: [], lines: [] };
const overlay = { position: "absolute", top: GRID.top, bottom: GRID.bottom, pointerEvents: "none" } as const;

/** Returns the parts of the bands that lie in the span, each moment once. */
export function visible(bands: readonly Band[], span: Band): Band[] {
  const out: Band[] = [];
  for (const band of [...bands].sort((a, b) => a.from - b.from)) {
    const cut = { from: Math.max(band.from, span.from), to: Math.min(band.to, span.to) };
    if (cut.to < cut.from) continue;
    const last = out.at(-1);
    if (last && cut.from <= last.to) last.to = Math.max(last.to, cut.to);
    else out.push(cut);
  }
  return out;
}

function CursorTime({ x, width, text }: { x: number; width: number; text: string }) {
  const right = x > width / 2;
  return (
    <Box
      aria-hidden
      sx={{
        position: "absolute",
        bottom: 2,
        left: right ? undefined : x + 4,
        right: right ? width - x + 4 : undefined,
        px: 0.5,
        borderRadius: 0.5,
        bgcolor: "background.paper",
        color: "text.primary",
        fontSize: 11,
        pointerEvents: "none",
      }}
    >
      {text}
    </Box>
  );
}

function describe(frame: Frame | undefined, at: number | undefined, end: number, look: ChartLook): string {
  if (!frame) return "loading";
  const index = nearest(frame.t, at ?? end);
  if (index < 0 || frame.lines.length === 0) return "no data";
  const values = frame.lines.map((line) => {
    const v = line.v[index];
    return `${line.name} ${v === null || v === undefined ? "no value" : formatValue(Math.abs(v), look.unit)}`;
  });
  return `${formatMoment(frame.t[index] ?? 0, end)}: ${values.join(", ")}`;
}
