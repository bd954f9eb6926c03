import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import { useMemo, useState } from "react";
import { messageOf } from "../../api/errors";
import type { Graph } from "../../api/schema";
import { bounded } from "../../lib/expression";
import { double } from "../../lib/proto-json";
import { unitOf } from "../../lib/unit";
import type { Selection } from "../../lib/useTimeSelection";
import { CursorProvider, newCursor } from "./cursor";
import type { ChartLook } from "./option";
import { TimeChart, type Band } from "./TimeChart";
import { useExpression } from "./useExpression";

interface Props {
  label: string;
  graph: Graph;
  selection: Selection;
  bands?: readonly Band[];
  height?: number;
  onZoom?: (from: number, to: number) => void;
}

/** What a rule looks at over time, with what it is compared with. */
export function ExpressionChart({ label, graph, selection, bands = [], height = 220, onZoom }: Props) {
  const [cursor] = useState(newCursor);
  const query = graph.query ?? "";
  const lowest = graph.thresholds?.[0]?.op?.startsWith("<") ?? false;
  const data = useExpression(query && bounded(query, lowest), selection);
  const look = useMemo(
    (): ChartLook => ({
      unit: unitOf(graph.unit),
      bare: true,
      limits: (graph.thresholds ?? []).map((t) => double(t.value)).filter(Number.isFinite),
    }),
    [graph],
  );
  const lines = data.frame?.lines;
  const empty = lines?.every((line) => line.v.every((v) => v === null)) ?? query === "";
  return (
    <CursorProvider value={cursor}>
      <Box sx={{ opacity: data.outdated ? 0.55 : 1, transition: "opacity 150ms" }}>
        <TimeChart
          label={label}
          frame={data.frame}
          outdated={data.outdated}
          span={selection}
          look={look}
          legendRows={Math.min(4, Math.max(1, Math.ceil((lines?.length ?? 1) / 3)))}
          hidden={data.hidden}
          bands={bands}
          height={height}
          {...(onZoom && { onZoom })}
          message={
            data.error && !data.frame ? (
              <Box role="alert" sx={{ textAlign: "center", fontSize: "0.8125rem", color: "error.main" }}>
                {messageOf(data.error)}
                <br />
                <Button onClick={data.retry} sx={{ mt: 0.5 }}>
                  Try again
                </Button>
              </Box>
            ) : empty ? (
              <Box sx={{ color: "text.secondary", fontSize: "0.8125rem" }}>No data in this time range</Box>
            ) : undefined
          }
        />
      </Box>
    </CursorProvider>
  );
}
