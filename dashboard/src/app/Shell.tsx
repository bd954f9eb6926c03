import Box from "@mui/material/Box";
import Drawer from "@mui/material/Drawer";
import IconButton from "@mui/material/IconButton";
import LinearProgress from "@mui/material/LinearProgress";
import { Suspense, useState } from "react";
import { Outlet, useLocation, useNavigation } from "react-router";
import { ColorModeButton } from "../components/ColorModeButton";
import { MenuIcon } from "../components/icons";
import { ConnectionNotice } from "./ConnectionNotice";
import { ConnectionMark } from "./ConnectionMark";
import { useHeartbeat } from "./heartbeat";
import { Logo, Navigation } from "./Navigation";

const NAV_WIDTH = 184;

/** The frame of every page: navigation, state of the connection, content. */
export function Shell() {
  useHeartbeat();
  const [open, setOpen] = useState(false);
  const { pathname } = useLocation();
  const navigation = useNavigation();
  return (
    <Box sx={{ display: "flex", minHeight: "100vh" }}>
      <SkipLink />
      <Box
        component="header"
        sx={{
          display: { xs: "none", md: "flex" },
          flexDirection: "column",
          width: NAV_WIDTH,
          flex: "none",
          position: "sticky",
          top: 0,
          height: "100vh",
          borderRight: 1,
          borderColor: "divider",
          bgcolor: "background.paper",
        }}
      >
        <Navigation />
        <Box
          sx={{ mt: "auto", p: 1.5, display: "flex", alignItems: "center", justifyContent: "space-between" }}
        >
          <ConnectionMark />
          <ColorModeButton />
        </Box>
      </Box>
      <Box sx={{ flex: 1, minWidth: 0, display: "flex", flexDirection: "column" }}>
        <Box
          component="header"
          sx={{
            display: { xs: "flex", md: "none" },
            alignItems: "center",
            gap: 1,
            px: 1,
            height: 48,
            position: "sticky",
            top: 0,
            zIndex: "appBar",
            borderBottom: 1,
            borderColor: "divider",
            bgcolor: "background.paper",
          }}
        >
          <IconButton aria-label="Open navigation" aria-expanded={open} onClick={() => setOpen(true)}>
            <MenuIcon />
          </IconButton>
          <Logo />
          <Box sx={{ ml: "auto" }}>
            <ConnectionMark />
          </Box>
          <ColorModeButton />
        </Box>
        <Drawer
          open={open}
          onClose={() => setOpen(false)}
          slotProps={{ paper: { sx: { width: NAV_WIDTH + 40 } } }}
        >
          <Navigation onNavigate={() => setOpen(false)} />
        </Drawer>
        {navigation.state === "loading" && (
          <LinearProgress
            aria-label="Loading the page"
            sx={{ position: "fixed", inset: "0 0 auto 0", height: 2, zIndex: "tooltip" }}
          />
        )}
        <Box
          component="main"
          id="main"
          tabIndex={-1}
          key={pathname}
          sx={{ flex: 1, minWidth: 0, p: { xs: 1.5, md: 2.5 }, outline: "none" }}
        >
          <Suspense fallback={null}>
            <Outlet />
          </Suspense>
        </Box>
      </Box>
      <ConnectionNotice />
    </Box>
  );
}

/** Lets the keyboard pass over the navigation. */
function SkipLink() {
  return (
    <Box
      component="a"
      href="#main"
      sx={{
        position: "fixed",
        top: -60,
        left: 8,
        zIndex: "tooltip",
        p: 1,
        bgcolor: "background.paper",
        color: "primary.main",
        border: 1,
        borderRadius: 1,
        "&:focus": { top: 8 },
      }}
    >
      Skip to content
    </Box>
  );
}
