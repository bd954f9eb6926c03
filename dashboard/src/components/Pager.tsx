import Box from "@mui/material/Box";
import IconButton from "@mui/material/IconButton";
import MenuItem from "@mui/material/MenuItem";
import Select from "@mui/material/Select";
import { LeftIcon, RightIcon } from "./icons";
import { formatCount } from "../lib/format";
import { PAGE_SIZES } from "../lib/pages";

interface Props {
  page: number;
  size: number;
  /** Rows on this page. */
  shown: number;
  /** How many there are in all; undefined if the server does not say. */
  total: number | undefined;
  onPrevious: (() => void) | undefined;
  onNext: (() => void) | undefined;
  onSize: (size: number) => void;
}

/** Goes through the pages of a list that the server cuts. */
export function Pager({ page, size, shown, total, onPrevious, onNext, onSize }: Props) {
  const first = page * size + 1;
  return (
    <Box
      component="nav"
      aria-label="Pages of the list"
      sx={{
        display: "flex",
        flexWrap: "wrap",
        alignItems: "center",
        justifyContent: "flex-end",
        gap: 1,
        pt: 1,
        fontSize: "0.8125rem",
        color: "text.secondary",
      }}
    >
      Rows
      <Select
        variant="standard"
        disableUnderline
        value={size}
        onChange={(e) => onSize(e.target.value)}
        inputProps={{ "aria-label": "Rows on a page" }}
        sx={{ fontSize: "inherit" }}
      >
        {PAGE_SIZES.map((s) => (
          <MenuItem key={s} value={s}>
            {s}
          </MenuItem>
        ))}
      </Select>
      <Box component="span" role="status" sx={{ minWidth: 130, textAlign: "right" }}>
        {shown === 0 ? "none" : `${formatCount(first)}–${formatCount(first + shown - 1)}`}
        {total !== undefined && ` of ${formatCount(total)}`}
      </Box>
      <IconButton aria-label="Previous page" disabled={!onPrevious} onClick={onPrevious}>
        <LeftIcon />
      </IconButton>
      <IconButton aria-label="Next page" disabled={!onNext} onClick={onNext}>
        <RightIcon />
      </IconButton>
    </Box>
  );
}
