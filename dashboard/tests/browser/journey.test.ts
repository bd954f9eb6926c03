// The way of a person through the page: hosts, one host whose charts move, another
// time range, the platform. Against the built server and agent if the environment
// names them, else against the mock.

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startMock } from "../mock/server";
import { barriers, openPage, pixels, shoot, startBrowser } from "./browser";
import { builtPrograms, startReal, type Running } from "./real";

/** What the way needs of either server. */
type Server = Pick<Running, "url" | "host" | "close">;

const programs = builtPrograms();
const kind = programs ? "real" : "mock";

// An agent reads most things every ten seconds, and a rate needs two readings.
const MEASURED = { timeout: 60_000 };

async function start(): Promise<Server> {
  if (programs) return startReal(programs);
  const mock = await startMock({ agents: 3 });
  return { url: mock.url, host: "web-00000.example", close: mock.close };
}

describe(`the way through the page, ${kind} server`, () => {
  let browser: Browser;
  let server: Server | undefined;
  let page: Page;
  let errors: string[];
  beforeAll(async () => {
    [browser, server] = await Promise.all([startBrowser(), start()]);
    ({ page, errors } = await openPage(browser));
    await page.goto(server.url);
  });
  afterAll(async () => {
    await browser.close();
    await server?.close();
  });

  it("lists the host with its values", async () => {
    const row = page.getByRole("row").filter({ hasText: server?.host ?? "" });
    await row.getByText("Connected", { exact: true }).waitFor(MEASURED);
    for (const value of ["CPU", "Memory", "Fullest disk"]) {
      await row.getByRole("img", { name: new RegExp(`^${value} [\\d.]+%$`) }).waitFor(MEASURED);
    }
    await shoot(page, `journey-hosts-${kind}`);
    await row.getByRole("link").click();
    await page
      .getByRole("heading", { level: 1 })
      .filter({ hasText: server?.host ?? "" })
      .waitFor();
  });

  it("draws a chart that moves with the samples that arrive", async () => {
    await page.getByTestId("connection").filter({ hasText: "Live" }).first().waitFor();
    const before = await nextReading(page, "");
    const picture = await pixels(page, "cpu");
    const asked: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    const after = await nextReading(page, before);
    expect(after).toMatch(/^\d\d:\d\d:\d\d: .*user [\d.]+%/);
    await expect.poll(() => pixels(page, "cpu"), MEASURED).not.toBe(picture);
    // It is the connection that brought it, not another query of the past.
    expect(asked.filter((url) => url.endsWith("/query_range"))).toEqual([]);
    await shoot(page, `journey-host-${kind}`, true);
  });

  it("shows another time range, and stands still when told to", async () => {
    await page.getByRole("button", { name: "Time range: Last 15 minutes" }).click();
    await page.getByRole("menuitem", { name: "Last hour" }).click();
    await page.waitForURL(/[?&]last=1h/);
    await nextReading(page, "");
    await page.getByRole("button", { name: "Live", exact: true }).click();
    await page.waitForURL(/[?&]live=0/);
    // With nothing to watch, the connection ends after a while.
    await page.getByTestId("connection").filter({ hasText: "Connected" }).first().waitFor();
  });

  it("shows the span that is marked in a chart", async () => {
    const box = await page.locator('[data-panel="cpu"] [role="slider"]').boundingBox();
    if (!box) throw new Error("the chart is not on the page");
    const y = box.y + box.height / 2;
    await page.mouse.move(box.x + box.width * 0.5, y);
    await page.mouse.down();
    // To the end: an agent that just started has nothing before.
    await page.mouse.move(box.x + box.width - 2, y, { steps: 5 });
    await page.mouse.up();
    await page.waitForURL(/[?&]from=.*&to=/);
    // An agent that just started may have no value yet at the last step of the span.
    if (programs) await lastStep(page);
    else await nextReading(page, "");
    await page.goBack();
    await page.waitForURL(/[?&]live=0/);
  });

  it("shows the platform at work", async () => {
    await page.getByRole("link", { name: "Platform" }).click();
    await page.getByText("Every part can do its work").waitFor();
    await tile(page, "Agents connected", programs ? /^1 of 1/ : /^\d+ of 3/);
    await tile(page, "Active series", /^[1-9]/);
    await tile(page, "Frames refused", /^0/);
    // The rate needs two readings of the count.
    await tile(page, "Samples a second", /^[\d.]+/);
    await page.getByRole("table", { name: "Partitions of the ingest log" }).waitFor();
    expect(await barriers(page)).toEqual([]);
    await shoot(page, `journey-platform-${kind}`);
  });

  it("made no mistakes on the way", () => {
    expect(errors).toEqual([]);
  });
});

/** Waits until the CPU chart's last point has values and is another than before; returns what it says. */
async function nextReading(page: Page, before: string): Promise<string> {
  const chart = page.locator('[data-panel="cpu"] [role="slider"][aria-busy="false"]');
  let text = "";
  await expect
    .poll(async () => (text = (await chart.getAttribute("aria-valuetext")) ?? ""), MEASURED)
    .toSatisfy((now: string) => /user [\d.]+%/.test(now) && now !== before);
  return text;
}

/** Waits until the CPU chart is drawn, with values or without. */
async function lastStep(page: Page): Promise<void> {
  const chart = page.locator('[data-panel="cpu"] [role="slider"][aria-busy="false"]');
  await expect
    .poll(async () => (await chart.getAttribute("aria-valuetext")) ?? "", MEASURED)
    .toMatch(/^\d\d:\d\d:\d\d: user /);
}

/** Waits until a figure of the platform reads so. */
async function tile(page: Page, name: string, value: RegExp): Promise<void> {
  const figure = page.locator("dl > div").filter({ has: page.getByText(name, { exact: true }) });
  await figure.locator("dd").filter({ hasText: value }).waitFor(MEASURED);
}
