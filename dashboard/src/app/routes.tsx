import { Navigate, type RouteObject } from "react-router";
import { PageError } from "./PageError";
import { Shell } from "./Shell";

/** The pages. Each is loaded when it is first opened. */
export const routes: RouteObject[] = [
  {
    element: <Shell />,
    errorElement: <PageError />,
    hydrateFallbackElement: <></>,
    children: [
      {
        errorElement: <PageError />,
        children: [
          { index: true, element: <Navigate to="/hosts" replace /> },
          {
            path: "hosts",
            lazy: async () => ({ Component: (await import("../features/hosts/HostsPage")).HostsPage }),
          },
          {
            path: "hosts/:agentId",
            lazy: async () => ({ Component: (await import("../features/host/HostPage")).HostPage }),
          },
          {
            path: "alerts",
            lazy: async () => ({ Component: (await import("../features/alerts/AlertsPage")).AlertsPage }),
          },
          {
            path: "alerts/confirm",
            lazy: async () => ({ Component: (await import("../features/alerts/ConfirmPage")).ConfirmPage }),
          },
          {
            path: "alerts/:alertId",
            lazy: async () => ({ Component: (await import("../features/alert/AlertPage")).AlertPage }),
          },
          {
            path: "rules",
            lazy: async () => ({ Component: (await import("../features/rules/RulesPage")).RulesPage }),
          },
          {
            path: "rules/try",
            lazy: async () => ({ Component: (await import("../features/rule-editor/TryPage")).TryPage }),
          },
          {
            path: "rules/:ruleId",
            lazy: async () => ({ Component: (await import("../features/rules/RulePage")).RulePage }),
          },
          {
            path: "silences",
            lazy: async () => ({
              Component: (await import("../features/silences/SilencesPage")).SilencesPage,
            }),
          },
          {
            path: "silences/new",
            lazy: async () => ({
              Component: (await import("../features/silences/SilencePage")).NewSilencePage,
            }),
          },
          {
            path: "silences/:silenceId",
            lazy: async () => ({ Component: (await import("../features/silences/SilencePage")).SilencePage }),
          },
          {
            path: "receivers",
            lazy: async () => ({
              Component: (await import("../features/delivery/ReceiversPage")).ReceiversPage,
            }),
          },
          {
            path: "notifications",
            lazy: async () => ({
              Component: (await import("../features/delivery/NotificationsPage")).NotificationsPage,
            }),
          },
          {
            path: "on-call",
            lazy: async () => ({ Component: (await import("../features/delivery/OnCallPage")).OnCallPage }),
          },
          {
            path: "platform",
            lazy: async () => ({
              Component: (await import("../features/platform/PlatformPage")).PlatformPage,
            }),
          },
          { path: "*", lazy: async () => ({ Component: (await import("./NotFoundPage")).NotFoundPage }) },
        ],
      },
    ],
  },
];
