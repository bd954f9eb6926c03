// Which notifications are listed; it lives in the URL.

import type { NotificationState } from "../../api/schema";
import { parsePage, writePage, type PageView } from "../../lib/pages";

const STATES = ["waiting", "delivered", "dead", "superseded"] as const;

export const WIRE_STATES = STATES.map(wire);

export interface NotificationView extends PageView {
  receiver: string;
  /** Empty for any. */
  state: NotificationState | "";
}

/** Reads the view from the URL; what makes no sense gives the default. */
export function parseView(params: URLSearchParams): NotificationView {
  const state = STATES.find((s) => s === params.get("state"));
  return {
    receiver: params.get("receiver") ?? "",
    state: state ? wire(state) : "",
    ...parsePage(params),
  };
}

/** Writes the view into URL parameters, defaults left out. */
export function writeView(view: NotificationView): URLSearchParams {
  const out = new URLSearchParams();
  if (view.receiver) out.set("receiver", view.receiver);
  const state = STATES.find((s) => wire(s) === view.state);
  if (state) out.set("state", state);
  writePage(out, view);
  return out;
}

function wire(state: (typeof STATES)[number]): NotificationState {
  return `NOTIFICATION_STATE_${state.toUpperCase() as Uppercase<typeof state>}`;
}
