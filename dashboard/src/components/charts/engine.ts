// The drawing library, as much of it as the page uses. Loaded lazily: it is larger
// than all the rest.
import { LineChart, type LineSeriesOption } from "echarts/charts";
import { GridComponent, type GridComponentOption } from "echarts/components";
import { init, use as register, type ComposeOption, type ECharts } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

register([LineChart, GridComponent, CanvasRenderer]);

export type ChartOption = ComposeOption<LineSeriesOption | GridComponentOption>;
export type Chart = ECharts;
export { init };
