import Box from "@mui/material/Box";
import Typography from "@mui/material/Typography";
import { useId, type ReactNode } from "react";

interface Props {
  title: string;
  /** Stands at the right of the title. */
  aside?: ReactNode;
  children: ReactNode;
  padded?: boolean;
}

/** A titled card; a region for screen readers. */
export function Panel({ title, aside, children, padded = true }: Props) {
  const id = useId();
  return (
    <Box
      component="section"
      aria-labelledby={id}
      sx={{
        bgcolor: "background.paper",
        border: 1,
        borderColor: "divider",
        borderRadius: 1,
        minWidth: 0,
        display: "flex",
        flexDirection: "column",
      }}
    >
      <Box
        sx={{
          display: "flex",
          flexWrap: "wrap",
          alignItems: "baseline",
          columnGap: 1,
          px: 1.5,
          pt: 1,
          pb: padded ? 0 : 1,
        }}
      >
        <Typography variant="h2" id={id} sx={{ whiteSpace: "nowrap" }}>
          {title}
        </Typography>
        <Typography component="div" variant="caption" sx={{ color: "text.secondary", ml: { sm: "auto" } }}>
          {aside}
        </Typography>
      </Box>
      <Box sx={{ p: padded ? 1.5 : 0, pt: padded ? 0.5 : 0, flex: 1, minWidth: 0 }}>{children}</Box>
    </Box>
  );
}
