import { QueryClientProvider } from "@tanstack/react-query";
import { cleanup, configure, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { MemoryRouter } from "react-router";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { newQueryClient } from "../../app/query-client";
import { ConfirmPage } from "./ConfirmPage";

// The whole page is rendered: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 60_000 });
configure({ asyncUtilTimeout: 20_000 });

const calls: { method: string; url: string; body: unknown }[] = [];
let notFound: string[] = [];
let refusal: string | undefined;

beforeEach(() => {
  calls.length = 0;
  notFound = [];
  refusal = undefined;
  localStorage.clear();
  vi.stubGlobal("fetch", async (request: Request) => {
    const body = request.method === "GET" ? undefined : ((await request.json()) as unknown);
    calls.push({ method: request.method, url: request.url, body });
    if (request.method === "GET") {
      const alerts = [
        { id: "a", labels: { alertname: "DiskFull", host_name: "db1" }, state: "ALERT_STATE_FIRING" },
      ];
      return Response.json({ alerts, totalSize: "1" });
    }
    return refusal === undefined
      ? Response.json({ notFound })
      : Response.json({ message: refusal, reason: "link_expired" }, { status: 403 });
  });
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

function open(query: string) {
  render(
    <QueryClientProvider client={newQueryClient()}>
      <MemoryRouter initialEntries={[`/alerts/confirm?${query}`]}>
        <ConfirmPage />
      </MemoryRouter>
    </QueryClientProvider>,
  );
}
const posts = () => calls.filter((c) => c.method !== "GET");

async function confirm() {
  await screen.findByText("DiskFull");
  fireEvent.change(screen.getByLabelText(/Your name/), { target: { value: "Ada" } });
  fireEvent.click(screen.getByText(/^Acknowledge (it|\d+ alerts)$/));
}

it("changes nothing until somebody says so", async () => {
  open("ids=a&exp=12&sig=s");
  await screen.findByText("DiskFull");
  expect(calls.map((c) => c.url)).toEqual([expect.stringContaining("/api/v1/alerts?")]);
  expect(calls[0]?.url).toContain("ids=a");
  fireEvent.click(screen.getByText("Acknowledge it"));
  await screen.findByText("Say who you are: others see it.");
  expect(posts()).toEqual([]);
});

it("hands the link's signature on with the click", async () => {
  open("ids=a&exp=12&sig=s");
  await confirm();
  await screen.findByText("Acknowledged.");
  expect(posts()).toEqual([
    {
      method: "POST",
      url: expect.stringMatching(/\/api\/v1\/alerts:acknowledge$/) as string,
      body: { ids: ["a"], author: "Ada", comment: "", exp: "12", sig: "s" },
    },
  ]);
});

it("says what could not be acknowledged", async () => {
  notFound = ["b"];
  open("ids=a,b");
  await screen.findByText("One more was resolved a while ago.");
  await confirm();
  await screen.findByText("Acknowledged, but for 1 that do not fire any more.");
});

it("says why the server refuses, and can be tried again", async () => {
  refusal = "The link was good until yesterday: acknowledge in the list of alerts.";
  open("ids=a&exp=12&sig=s");
  await confirm();
  await screen.findByText(refusal);
  await waitFor(() => expect(screen.getByText("Acknowledge it").closest("button")?.disabled).toBe(false));
});

it("asks for nothing when the link names nothing", () => {
  open("exp=12");
  screen.getByText("The link is not complete");
  expect(calls).toEqual([]);
});
