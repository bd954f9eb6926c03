import { createTheme } from "@mui/material/styles";

const sans = '"Inter Variable", system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

/** The look of the page: dense, and quiet enough that a problem stands out. */
export const theme = createTheme({
  cssVariables: { colorSchemeSelector: "data-theme" },
  colorSchemes: {
    light: {
      palette: {
        primary: { main: "#2a66cf" },
        success: { main: "#1e7f4f" },
        warning: { main: "#a15c00" },
        error: { main: "#c03a32" },
        background: { default: "#f4f6f8", paper: "#ffffff" },
        text: { primary: "#18202b", secondary: "#566173" },
        divider: "#e1e5ea",
      },
    },
    dark: {
      palette: {
        primary: { main: "#7aabff" },
        success: { main: "#4fbf87" },
        warning: { main: "#f0a94a" },
        error: { main: "#f2857d" },
        background: { default: "#0e1116", paper: "#161a21" },
        text: { primary: "#e4e8ee", secondary: "#93a0b2" },
        divider: "#262c36",
      },
    },
  },
  shape: { borderRadius: 8 },
  typography: {
    fontFamily: sans,
    fontSize: 13,
    h1: { fontSize: "1.25rem", fontWeight: 650, lineHeight: 1.3, letterSpacing: "-0.01em" },
    h2: { fontSize: "0.8125rem", fontWeight: 600, lineHeight: 1.4 },
    body1: { fontSize: "0.875rem" },
    body2: { fontSize: "0.8125rem" },
    caption: { fontSize: "0.75rem", lineHeight: 1.4 },
    button: { textTransform: "none", fontWeight: 550 },
  },
  components: {
    MuiCssBaseline: {
      styleOverrides: {
        // Digits of one width: numbers that change do not make text move.
        body: { fontVariantNumeric: "tabular-nums", scrollbarGutter: "stable" },
        code: { fontFamily: "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace", fontSize: "0.9em" },
        ":focus-visible": { outline: "2px solid var(--mui-palette-primary-main)", outlineOffset: 1 },
      },
    },
    MuiButton: { defaultProps: { size: "small", disableElevation: true } },
    MuiIconButton: { defaultProps: { size: "small" } },
    MuiPaper: { defaultProps: { elevation: 0 }, styleOverrides: { root: { backgroundImage: "none" } } },
    MuiTableCell: {
      styleOverrides: {
        root: { padding: "6px 12px", fontSize: "0.8125rem", borderColor: "var(--mui-palette-divider)" },
        head: { color: "var(--mui-palette-text-secondary)", fontWeight: 550, whiteSpace: "nowrap" },
        alignRight: { whiteSpace: "nowrap" },
      },
    },
    // Cells can ask with @container how much room there is. Positioned, so that what is
    // for screen readers alone scrolls with its row.
    MuiTableContainer: { styleOverrides: { root: { containerType: "inline-size", position: "relative" } } },
    // The frame around a table is the line below its last row.
    MuiTableBody: { styleOverrides: { root: { "& > tr:last-of-type > *": { borderBottom: 0 } } } },
    MuiTableSortLabel: { styleOverrides: { icon: { fontSize: 16, marginLeft: 2, marginRight: 2 } } },
    MuiTooltip: { defaultProps: { arrow: true, enterDelay: 300 } },
    MuiLink: { defaultProps: { underline: "hover" } },
  },
});
