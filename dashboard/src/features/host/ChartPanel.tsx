import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import { useRef } from "react";
import { messageOf } from "../../api/errors";
import { TimeChart } from "../../components/charts/TimeChart";
import { useSeen } from "../../components/charts/useECharts";
import { Panel } from "../../components/Panel";
import type { Frame } from "../../lib/frame";
import type { Matcher } from "../../lib/promql";
import type { PanelSpec } from "./panels";
import { useChartData } from "./useChartData";
import type { Selection } from "../../lib/useTimeSelection";

interface Props {
  spec: PanelSpec;
  of: readonly Matcher[];
  selection: Selection;
  onZoom: (from: number, to: number) => void;
}

/** A chart of a host. What is not near the screen is not asked for. */
export function ChartPanel({ spec, of, selection, onZoom }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const seen = useSeen(box);
  const data = useChartData(spec.measures, of, selection, seen);
  return (
    <Box ref={box} data-panel={spec.id} sx={{ minWidth: 0, display: "grid" }}>
      <Panel title={spec.title} aside={spec.note}>
        <Box sx={{ opacity: data.outdated ? 0.55 : 1, transition: "opacity 150ms" }}>
          <TimeChart
            label={spec.title}
            frame={data.frame}
            outdated={data.outdated}
            span={selection}
            look={spec.look}
            legendRows={spec.legendRows}
            hidden={data.hidden}
            onZoom={onZoom}
            message={messageFor(data.frame, data.error, data.retry)}
          />
        </Box>
      </Panel>
    </Box>
  );
}

function messageFor(frame: Frame | undefined, error: Error | null, retry: () => void) {
  // What is drawn stays: the page says elsewhere that the server does not answer.
  if (error && !frame) {
    return (
      <Box role="alert" sx={{ textAlign: "center", fontSize: "0.8125rem", color: "error.main" }}>
        {messageOf(error)}
        <br />
        <Button onClick={retry} sx={{ mt: 0.5 }}>
          Try again
        </Button>
      </Box>
    );
  }
  if (frame?.lines.every((line) => line.v.every((v) => v === null))) {
    return <Box sx={{ color: "text.secondary", fontSize: "0.8125rem" }}>No data in this time range</Box>;
  }
  return undefined;
}
