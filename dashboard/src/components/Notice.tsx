import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Typography from "@mui/material/Typography";
import type { ReactNode } from "react";

interface Props {
  title: string;
  children?: ReactNode;
  /** What to do about it. */
  action?: { label: string; run: () => void };
  /** Told to screen readers at once. */
  alert?: boolean;
  /** It stands for the whole page: its title is the page's. */
  page?: boolean;
  /** Height that the content it stands for would have. */
  minHeight?: number | string;
}

/** Stands where content would be: nothing there, or nothing to be had. */
export function Notice({ title, children, action, alert = false, page = false, minHeight = 160 }: Props) {
  return (
    <Box
      role={alert ? "alert" : "status"}
      sx={{
        minHeight,
        display: "flex",
        flexDirection: "column",
        alignItems: "center",
        justifyContent: "center",
        gap: 1,
        p: 2,
        textAlign: "center",
      }}
    >
      <Typography
        component={page ? "h1" : "p"}
        sx={{ fontWeight: 600, color: alert ? "error.main" : "text.primary" }}
      >
        {title}
      </Typography>
      {children !== undefined && (
        <Box sx={{ color: "text.secondary", maxWidth: "min(620px, 100%)", fontSize: "0.8125rem" }}>
          {children}
        </Box>
      )}
      {action && (
        <Button variant="outlined" onClick={action.run}>
          {action.label}
        </Button>
      )}
    </Box>
  );
}
