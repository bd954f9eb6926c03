import Alert from "@mui/material/Alert";
import Box from "@mui/material/Box";
import type { Problem } from "../api/schema";

/** What is wrong with the files of the configuration, with file and line. */
export function Problems({ problems }: { problems: readonly Problem[] }) {
  if (problems.length === 0) return null;
  return (
    <Alert severity="error" variant="outlined" sx={{ mb: 1.5, "& .MuiAlert-message": { minWidth: 0 } }}>
      The configuration has {problems.length === 1 ? "a mistake" : `${problems.length} mistakes`}. What was
      read last without one is used until it is put right.
      <Box component="ul" sx={{ m: 0, mt: 0.5, pl: 2.5 }}>
        {problems.map((p, i) => (
          <Box component="li" key={i} sx={{ overflowWrap: "anywhere" }}>
            <code>{placeOf(p)}</code> {[p.field, p.message].filter(Boolean).join(": ")}
          </Box>
        ))}
      </Box>
    </Alert>
  );
}

/** Writes where a problem is, as editors and compilers do. */
export function placeOf({ file, line, column }: Problem): string {
  return [file, line, line ? column : undefined].filter(Boolean).join(":");
}
