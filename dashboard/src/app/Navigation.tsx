import Box from "@mui/material/Box";
import { NavLink } from "react-router";
import {
  AlertIcon,
  HostsIcon,
  LogIcon,
  PersonIcon,
  PlatformIcon,
  ReceiverIcon,
  RuleIcon,
  SilenceIcon,
} from "../components/icons";
import { FiringCount } from "./FiringCount";

const items = [
  { to: "/hosts", label: "Hosts", Icon: HostsIcon },
  { to: "/alerts", label: "Alerts", Icon: AlertIcon, Count: FiringCount },
  { to: "/rules", label: "Rules", Icon: RuleIcon },
  { to: "/silences", label: "Silences", Icon: SilenceIcon },
  { to: "/receivers", label: "Receivers", Icon: ReceiverIcon },
  { to: "/notifications", label: "Notifications", Icon: LogIcon },
  { to: "/on-call", label: "On call", Icon: PersonIcon },
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
        {items.map(({ to, label, Icon, Count }) => (
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
            {Count && <Count />}
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
