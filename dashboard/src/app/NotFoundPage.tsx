import Link from "@mui/material/Link";
import { Link as RouterLink, useLocation } from "react-router";
import { Notice } from "../components/Notice";

/** Stands for an address that is no page. */
export function NotFoundPage() {
  const { pathname } = useLocation();
  return (
    <Notice page title="There is no such page" minHeight="60vh">
      Nothing is at <code>{pathname}</code>.{" "}
      <Link component={RouterLink} to="/hosts" underline="always">
        Go to the hosts
      </Link>
    </Notice>
  );
}
