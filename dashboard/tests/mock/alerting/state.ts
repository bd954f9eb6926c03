import type { Alert, Notification, Override, Silence } from "../../../src/api/schema";

/** What people have done to the mock's alerting, and how large it is. */
export interface AlertingState {
  /** How many alerts there are. */
  alerts: number;
  hosts: number;
  hostName: (i: number) => string;
  acks: Map<string, NonNullable<Alert["acknowledgement"]>>;
  silences: Silence[];
  overrides: Override[];
  notifications: Notification[];
  /** Bodies of the calls that changed something, for tests to look at. */
  posted: { path: string; body: unknown }[];
}
