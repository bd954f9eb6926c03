import Table from "@mui/material/Table";
import TableContainer from "@mui/material/TableContainer";
import type { SxProps, Theme } from "@mui/material/styles";
import type { ReactNode } from "react";

interface Props {
  label: string;
  children: ReactNode;
  /** True while the rows are those of before. */
  busy?: boolean;
  /** Below this width, in pixels, it scrolls. */
  minWidth?: number;
  /** Columns have the widths that their heads say. */
  fixed?: boolean;
  sx?: SxProps<Theme>;
}

/** A table that scrolls by itself where it does not fit; the keyboard can scroll it too. */
export function ScrollingTable({ label, children, busy = false, minWidth, fixed = false, sx = {} }: Props) {
  return (
    <TableContainer tabIndex={0} role="group" aria-label={label} sx={sx}>
      <Table
        size="small"
        aria-label={label}
        aria-busy={busy}
        sx={{ minWidth, tableLayout: fixed ? "fixed" : "auto" }}
      >
        {children}
      </Table>
    </TableContainer>
  );
}
