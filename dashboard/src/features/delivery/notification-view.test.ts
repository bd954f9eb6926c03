import { expect, it } from "vitest";
import { parseView, WIRE_STATES, writeView, type NotificationView } from "./notification-view";

const standard: NotificationView = { receiver: "", state: "", size: 50, token: "", page: 0 };

it.each<NotificationView>([
  standard,
  { ...standard, receiver: "ops & co", size: 100, token: "x", page: 2 },
  ...WIRE_STATES.map((state) => ({ ...standard, state })),
])("comes back as it was written: %j", (view) => {
  expect(parseView(new URLSearchParams(writeView(view).toString()))).toEqual(view);
});

it("falls back to the default", () => {
  expect(parseView(new URLSearchParams("state=lost&size=7"))).toEqual(standard);
  expect(writeView(standard).toString()).toBe("");
});
