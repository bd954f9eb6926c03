import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Divider from "@mui/material/Divider";
import MenuItem from "@mui/material/MenuItem";
import MenuList from "@mui/material/MenuList";
import Popover from "@mui/material/Popover";
import ToggleButton from "@mui/material/ToggleButton";
import Tooltip from "@mui/material/Tooltip";
import { useState } from "react";
import { describeRange, PRESETS, type TimeRange, type TimeSelection } from "../lib/time-range";
import { ChevronIcon, ClockIcon, PauseIcon, PlayIcon } from "./icons";
import { SpanForm } from "./SpanForm";

interface Props {
  range: TimeRange;
  /** Whether charts move on with the clock. */
  moving: boolean;
  /** The span shown now, as a start for another. */
  span: { from: number; to: number };
  onSelect: (selection: TimeSelection) => void;
}

/** Chooses the time range of a page, and whether it moves. */
export function TimeRangePicker({ range, moving, span, onSelect }: Props) {
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  const choose = (selection: TimeSelection) => {
    setAnchor(null);
    onSelect(selection);
  };
  const fixed = range.kind === "between";
  const hint = fixed ? "Go back to live" : moving ? "Stop the charts" : "Let the charts move on";
  return (
    <Box sx={{ display: "flex", gap: 1 }}>
      <Button
        variant="outlined"
        color="inherit"
        startIcon={<ClockIcon />}
        endIcon={<ChevronIcon />}
        aria-haspopup="dialog"
        aria-expanded={anchor !== null}
        aria-label={`Time range: ${describeRange(range)}`}
        onClick={(e) => setAnchor(e.currentTarget)}
        sx={outlined}
      >
        {describeRange(range)}
      </Button>
      <Tooltip title={hint}>
        <ToggleButton
          value="live"
          size="small"
          selected={moving}
          aria-label="Live"
          onClick={() =>
            onSelect(
              fixed
                ? { range: { kind: "last", ms: PRESETS[1]?.ms ?? 0 }, live: true }
                : { range, live: !moving },
            )
          }
          sx={{ ...outlined, px: 1.25, py: 0, gap: 0.5, textTransform: "none", color: "text.primary" }}
        >
          {moving ? <PauseIcon sx={{ fontSize: 18 }} /> : <PlayIcon sx={{ fontSize: 18 }} />}
          Live
        </ToggleButton>
      </Tooltip>
      <Popover
        open={anchor !== null}
        anchorEl={anchor}
        onClose={() => setAnchor(null)}
        anchorOrigin={{ vertical: "bottom", horizontal: "right" }}
        transformOrigin={{ vertical: "top", horizontal: "right" }}
        slotProps={{
          paper: {
            role: "dialog",
            "aria-label": "Time range",
            sx: { mt: 0.5, border: 1, borderColor: "divider", boxShadow: 6 },
          },
        }}
      >
        <Box sx={{ display: "flex", flexDirection: { xs: "column", sm: "row" } }}>
          <MenuList dense autoFocusItem aria-label="Last" sx={{ minWidth: 170 }}>
            {PRESETS.map((p) => (
              <MenuItem
                key={p.key}
                selected={range.kind === "last" && range.ms === p.ms}
                onClick={() => choose({ range: { kind: "last", ms: p.ms }, live: true })}
              >
                {p.label}
              </MenuItem>
            ))}
          </MenuList>
          <Divider orientation="vertical" flexItem />
          <SpanForm
            span={span}
            onSubmit={(from, to) => choose({ range: { kind: "between", from, to }, live: false })}
          />
        </Box>
      </Popover>
    </Box>
  );
}

const outlined = { height: 34, borderColor: "divider", bgcolor: "background.paper", whiteSpace: "nowrap" };
