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
