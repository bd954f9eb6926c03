import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { deliveryApi } from "../../api/delivery";
import type { NotificationState, Override } from "../../api/schema";
import type { PageView } from "../../lib/pages";

const EVERY = 10_000;

/** Returns the receivers. */
export function useReceivers() {
  return useQuery({
    queryKey: ["receivers"],
    queryFn: ({ signal }) => deliveryApi.receivers(signal),
    refetchInterval: EVERY,
  });
}

/** Returns the root of the routes. */
export function useRoutes() {
  return useQuery({
    queryKey: ["routes"],
    queryFn: ({ signal }) => deliveryApi.routes(signal),
    refetchInterval: 6 * EVERY,
  });
}

/** Returns a page of notifications. */
export function useNotifications(view: PageView & { receiver: string; state: NotificationState | "" }) {
  const { receiver, state, size, token } = view;
  return useQuery({
    queryKey: ["notifications", "list", receiver, state, size, token],
    queryFn: ({ signal }) =>
      deliveryApi.notifications(
        {
          pageSize: size,
          ...(token && { pageToken: token }),
          ...(receiver && { receiver }),
          ...(state && { state }),
        },
        signal,
      ),
    refetchInterval: 5000,
    placeholderData: keepPreviousData,
  });
}

/** Returns who is on call. */
export function useOnCall() {
  return useQuery({
    queryKey: ["on-call"],
    queryFn: ({ signal }) => deliveryApi.onCall(signal),
    refetchInterval: 3 * EVERY,
  });
}

/** Returns how to put somebody else on call. */
export function useCreateOverride(calendar: string) {
  const client = useQueryClient();
  return useMutation({
    networkMode: "always",
    mutationFn: (override: Omit<Override, "id">) => deliveryApi.createOverride(calendar, override),
    onSuccess: () => client.invalidateQueries({ queryKey: ["on-call"] }),
  });
}

/** Returns how to take an override back. */
export function useDeleteOverride(calendar: string) {
  const client = useQueryClient();
  return useMutation({
    networkMode: "always",
    mutationFn: (id: string) => deliveryApi.deleteOverride(calendar, id),
    onSuccess: () => client.invalidateQueries({ queryKey: ["on-call"] }),
  });
}
