import Box from "@mui/material/Box";
import { NavLink } from "react-router";
import { HostsIcon, PlatformIcon } from "../components/icons";

const items = [
  { to: "/hosts", label: "Hosts", Icon: HostsIcon },
  { to: "/platform", label: "Platform", Icon: PlatformIcon },
];

/** The sections of the dashboard. */
export function Navigation({ onNavigate }: { onNavigate?: () => void }) {
  return (
    <>
      <Box sx={{ px: 2, height: 56, display: "flex", alignItems: "center" }}>
        <Logo />
      </Box>
      <Box component="nav" aria-label="Sections" sx={{ px: 1, display: "grid", gap: 0.25 }}>
        {items.map(({ to, label, Icon }) => (
          <Box
            key={to}
            component={NavLink}
            to={to}
            onClick={onNavigate}
            sx={{
              display: "flex",
              alignItems: "center",
              gap: 1.25,
              px: 1,
              py: 0.75,
              borderRadius: 1,
              fontSize: "0.875rem",
              textDecoration: "none",
              color: "text.secondary",
              "&:hover": { bgcolor: "action.hover", color: "text.primary" },
              "&.active": { bgcolor: "action.selected", color: "text.primary", fontWeight: 600 },
            }}
          >
            <Icon sx={{ fontSize: 20 }} />
            {label}
          </Box>
        ))}
      </Box>
    </>
  );
}

/** The name of the product. */
export function Logo() {
  return (
    <Box
      sx={{
        display: "flex",
        alignItems: "center",
        gap: 1,
        fontWeight: 700,
        fontSize: "1rem",
        letterSpacing: "-0.02em",
      }}
    >
      <Box component="img" src="/favicon.svg" alt="" sx={{ width: 22, height: 22 }} />
      esmon
    </Box>
  );
}
