// Who is told what: receivers, routes, notifications, people on call.

import { call, client, present, withSignal } from "./http";
import type {
  Notification,
  NotificationState,
  OnCall,
  Override,
  Receiver,
  ReceiverTest,
  Route,
  RouteMatch,
} from "./schema";

/** Which notifications to list. */
export interface NotificationQuery {
  pageSize: number;
  pageToken?: string;
  receiver?: string;
  state?: NotificationState;
  alertId?: string;
}

/** A page of notifications. */
export interface NotificationPage {
  notifications: Notification[];
  nextPageToken: string;
}

export const deliveryApi = {
  /** Lists receivers by name. */
  async receivers(signal?: AbortSignal): Promise<Receiver[]> {
    return (await call(client.GET("/api/v1/receivers", withSignal(signal)))).receivers ?? [];
  },

  /** Sends a test notification at once. */
  testReceiver(name: string): Promise<ReceiverTest> {
    return call(client.POST("/api/v1/receivers/{name}/test", { params: { path: { name } }, body: {} }));
  },

  /** Returns the root of the routes. */
  async routes(signal?: AbortSignal): Promise<Route> {
    return present((await call(client.GET("/api/v1/routes", withSignal(signal)))).route, "route");
  },

  /** Says who would be told about an alert with these labels. */
  async testRoute(labels: Record<string, string>, signal?: AbortSignal): Promise<RouteMatch[]> {
    const answer = await call(
      client.POST("/api/v1/routes:test", { body: { labels }, ...withSignal(signal) }),
    );
    return answer.matches ?? [];
  },

  /** Lists notifications, newest first. */
  async notifications(query: NotificationQuery, signal?: AbortSignal): Promise<NotificationPage> {
    const page = await call(
      client.GET("/api/v1/notifications", { params: { query }, ...withSignal(signal) }),
    );
    return { notifications: page.notifications ?? [], nextPageToken: page.nextPageToken ?? "" };
  },

  /** Sends a notification that was given up again. */
  async retry(id: string): Promise<void> {
    await call(client.POST("/api/v1/notifications/{id}/retry", { params: { path: { id } } }));
  },

  /** Lists who is on call, by calendar. */
  async onCall(signal?: AbortSignal): Promise<OnCall[]> {
    return (await call(client.GET("/api/v1/on-call", withSignal(signal)))).calendars ?? [];
  },

  /** Puts somebody else on call for a time. */
  async createOverride(calendar: string, body: Omit<Override, "id">): Promise<void> {
    await call(client.POST("/api/v1/on-call/{calendar}/overrides", { params: { path: { calendar } }, body }));
  },

  /** Takes an override back. */
  async deleteOverride(calendar: string, id: string): Promise<void> {
    await call(
      client.DELETE("/api/v1/on-call/{calendar}/overrides/{id}", { params: { path: { calendar, id } } }),
    );
  },
};
