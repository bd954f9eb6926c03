import { useRouteError } from "react-router";
import { messageOf } from "../api/errors";
import { Notice } from "../components/Notice";

/** Stands for a page that broke, or whose code could not be loaded. */
export function PageError() {
  const error = useRouteError();
  return (
    <Notice
      page
      alert
      minHeight="60vh"
      title="This page failed"
      action={{ label: "Load it again", run: () => window.location.reload() }}
    >
      {messageOf(error)}
    </Notice>
  );
}
