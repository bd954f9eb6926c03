import Box from "@mui/material/Box";
import MenuItem from "@mui/material/MenuItem";
import Select from "@mui/material/Select";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState, type ReactNode } from "react";
import { api } from "../../api/client";
import { ExpressionChart } from "../../components/charts/ExpressionChart";
import type { Band } from "../../components/charts/TimeChart";
import { Notice } from "../../components/Notice";
import { Panel } from "../../components/Panel";
import { TimeRangePicker } from "../../components/TimeRangePicker";
import type { Graph, Rule } from "../../api/schema";
import { formatCount } from "../../lib/format";
import type { TimeSelection } from "../../lib/time-range";
import type { Selection } from "../../lib/useTimeSelection";

interface Props {
  rules: readonly Rule[];
  selection: Selection;
  select: (selection: TimeSelection) => void;
  bands: readonly Band[];
  /** Stands below the chart, on its time axis. */
  children?: ReactNode;
}

/** Draws what a rule of the editor looks at, while one writes. */
export function Preview({ rules, selection, select, bands, children }: Props) {
  const [chosen, setChosen] = useState("");
  const rule = rules.find((r) => r.name === chosen) ?? rules[0];
  const text = JSON.stringify(rule?.graph ?? null);
  const graph = useMemo(() => JSON.parse(text) as Graph | null, [text]);
  return (
    <Panel title="What it looks at" aside={rule?.expr && <TrueNow expr={rule.expr} />}>
      <Box sx={{ display: "flex", flexWrap: "wrap", gap: 1, mb: 1, justifyContent: "flex-end" }}>
        {rules.length > 1 && (
          <Select
            size="small"
            value={rule?.name ?? ""}
            onChange={(e) => setChosen(e.target.value)}
            inputProps={{ "aria-label": "Rule that is drawn" }}
            sx={{ mr: "auto", fontSize: "0.8125rem", "& .MuiSelect-select": { py: 0.75 } }}
          >
            {rules.map((r, i) => (
              <MenuItem key={i} value={r.name ?? ""}>
                {r.name}
              </MenuItem>
            ))}
          </Select>
        )}
        <TimeRangePicker
          range={selection.range}
          moving={selection.moving}
          span={selection}
          onSelect={select}
        />
      </Box>
      {graph?.query ? (
        <ExpressionChart
          label="Value"
          graph={graph}
          selection={selection}
          bands={bands}
          onZoom={(from, to) => select({ range: { kind: "between", from, to }, live: false })}
        />
      ) : (
        <Notice title="Nothing to draw yet" minHeight={240}>
          The chart follows the expression as soon as it can be read.
        </Notice>
      )}
      {children}
    </Panel>
  );
}

/** Says of how many series the condition holds now. */
function TrueNow({ expr }: { expr: string }) {
  const answer = useQuery({
    queryKey: ["rule-now", expr],
    queryFn: async ({ signal }) => (await api.query(`count(${expr}\n)`, signal))[0]?.v.at(-1) ?? 0,
    refetchInterval: 15_000,
  });
  if (answer.isError) return "It cannot be evaluated now";
  if (answer.data === undefined) return "";
  return answer.data === 0 ? "holds for nothing now" : `holds for ${formatCount(answer.data)} series now`;
}
