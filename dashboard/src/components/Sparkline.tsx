import Box from "@mui/material/Box";

interface Props {
  /** Shares of 1; what is no number leaves a gap. */
  values: readonly number[];
}

const W = 72;
const H = 20;

/** A small line without axes. It is for the eye only: the number stands beside it. */
export function Sparkline({ values }: Props) {
  // A quiet host's line lies low, but its movement is still seen.
  const top = Math.max(0.1, ...values.filter(Number.isFinite));
  const x = (i: number) => ((i / Math.max(1, values.length - 1)) * W).toFixed(1);
  const y = (v: number) => (H - 1 - (v / top) * (H - 2)).toFixed(1);
  let path = "";
  let pen = "M";
  values.forEach((v, i) => {
    if (!Number.isFinite(v)) {
      pen = "M";
      return;
    }
    path += `${pen}${x(i)} ${y(v)}`;
    pen = "L";
  });
  return (
    <Box
      aria-hidden
      component="svg"
      viewBox={`0 0 ${W} ${H}`}
      sx={{ width: W, height: H, display: "block", color: "primary.main" }}
    >
      <path d={path} fill="none" stroke="currentColor" strokeWidth="1.25" strokeLinejoin="round" />
    </Box>
  );
}
