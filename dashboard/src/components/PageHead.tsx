import Box from "@mui/material/Box";
import Link from "@mui/material/Link";
import Typography from "@mui/material/Typography";
import type { ReactNode } from "react";
import { Link as RouterLink } from "react-router";

interface Props {
  /** The list that the page's thing is in. */
  within?: { to: string; title: string };
  title: ReactNode;
  /** Stands beside the title. */
  marks?: ReactNode;
  /** What can be done; stands at the right. */
  children?: ReactNode;
}

/** Says what the page is about, and offers what can be done with it. */
export function PageHead({ within, title, marks, children }: Props) {
  return (
    <Box sx={{ display: "flex", flexWrap: "wrap", alignItems: "center", columnGap: 1.5, rowGap: 1, mb: 1.5 }}>
      <Typography variant="h1" sx={{ display: "flex", gap: 0.75, minWidth: 0 }}>
        {within && (
          <>
            <Link component={RouterLink} to={within.to} color="text.secondary" sx={{ fontWeight: 450 }}>
              {within.title}
            </Link>
            <Box component="span" aria-hidden sx={{ color: "text.secondary", fontWeight: 400 }}>
              /
            </Box>
          </>
        )}
        <Box component="span" sx={{ overflowWrap: "anywhere" }}>
          {title}
        </Box>
      </Typography>
      {marks}
      {children !== undefined && (
        <Box sx={{ ml: { sm: "auto" }, display: "flex", flexWrap: "wrap", gap: 1 }}>{children}</Box>
      )}
    </Box>
  );
}
