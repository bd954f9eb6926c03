// The page when there is nothing to see, when the server has trouble, and when it
// is away: states that are hard to bring about with the real server.

import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { startMock, type Mock, type MockState } from "../mock/server";
import { barriers, openPage, shoot, startBrowser } from "./browser";

const narrow = { viewport: { width: 390, height: 844 } };

describe("the states of the page", () => {
  let browser: Browser;
  const mocks: Mock[] = [];
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterEach(async () => {
    for (const mock of mocks.splice(0)) await mock.close();
  });
  afterAll(() => browser.close());

  async function open(state: Partial<MockState>, path: string, options = {}, port = 0) {
    const mock = await startMock(state, port);
    mocks.push(mock);
    const opened = await openPage(browser, options);
    await opened.page.goto(mock.url + path);
    return { mock, ...opened };
  }

  const states: [string, Partial<MockState>, string, string][] = [
    ["no-hosts", { agents: 0 }, "/hosts", "No hosts yet"],
    ["no-host-found", { agents: 3 }, "/hosts?q=nowhere", "No host’s name contains “nowhere”."],
    ["hosts-failing", { failing: true }, "/hosts", "The hosts could not be loaded"],
    ["unknown-host", { agents: 3 }, "/hosts/agent-99", "There is no such host"],
    ["host-failing", { failing: true }, "/hosts/agent-1", "The host could not be loaded"],
    [
      "no-data",
      { agents: 3, interval: 600_000, silent: true },
      "/hosts/agent-1",
      "No data in this time range",
    ],
    ["not-ready", { agents: 3, ready: false }, "/platform", "storage: the database is locked"],
    ["platform-failing", { failing: true }, "/platform", "The state of the platform could not be loaded"],
    ["no-alerts", {}, "/alerts", "All is well"],
    ["no-alert-found", { alerts: 9 }, "/alerts?severity=info&state=resolved&is=held", "No alert found"],
    ["unreadable-matchers", { alerts: 9 }, "/alerts?matcher=severity", "The matchers cannot be read"],
    ["alerts-failing", { failing: true }, "/alerts", "The alerts could not be loaded"],
    ["groups-failing", { failing: true }, "/alerts?group=host_name", "The alerts could not be loaded"],
    ["unknown-alert", {}, "/alerts/abc", "There is no such alert"],
    ["alert-failing", { failing: true }, "/alerts/abc", "The alert could not be loaded"],
    ["empty-link", {}, "/alerts/confirm", "The link is not complete"],
    ["old-link", {}, "/alerts/confirm?ids=abc", "None of them is there any more"],
    ["rules-failing", { failing: true }, "/rules", "The rules could not be loaded"],
    ["no-rule-found", {}, "/rules?q=nothing", "No rule found"],
    ["unknown-rule", {}, "/rules/abc", "There is no such rule"],
    ["try-failing", { failing: true }, "/rules/try", "internal error"],
    ["silences-failing", { failing: true }, "/silences", "The silences could not be loaded"],
    ["unknown-silence", {}, "/silences/abc", "There is no such silence"],
    ["receivers-failing", { failing: true }, "/receivers", "The receivers could not be loaded"],
    ["notifications-failing", { failing: true }, "/notifications", "The notifications could not be loaded"],
    ["no-notification-found", {}, "/notifications?receiver=nobody", "No notification found"],
    ["on-call-failing", { failing: true }, "/on-call", "The calendars could not be loaded"],
    ["no-page", {}, "/nowhere", "There is no such page"],
  ];
  for (const [name, state, path, says] of states) {
    it(`${name}: says so`, async () => {
      const { page, errors } = await open(state, path, narrow);
      await page.getByText(says).first().waitFor();
      await shoot(page, `state-${name}`);
      expect(await barriers(page)).toEqual([]);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      expect(width).toBeLessThanOrEqual(narrow.viewport.width);
      expect(errors).toEqual([]);
      await page.context().close();
    });
  }

  it("leads from page to page of a long list, and back", async () => {
    const { page } = await open({ agents: 120 }, "/hosts?size=50");
    const status = page.getByRole("navigation", { name: "Pages of the list" }).getByRole("status");
    await status.getByText("1–50 of 120").waitFor();
    await page.getByRole("button", { name: "Next page" }).click();
    await status.getByText("51–100 of 120").waitFor();
    await page.getByRole("button", { name: "Next page" }).click();
    await status.getByText("101–120 of 120").waitFor();
    expect(await page.getByRole("button", { name: "Next page" }).isDisabled()).toBe(true);
    await page.getByRole("button", { name: "Previous page" }).click();
    await status.getByText("51–100 of 120").waitFor();
    await page.getByLabel("Filter by host name").fill("00007");
    await status.getByText("1–1 of 1").waitFor();
    await page.context().close();
  });

  it("says that the server is away, and goes on when it is back", async () => {
    const { mock, page, errors } = await open({ agents: 3 }, "/hosts/agent-1", narrow);
    await page.getByTestId("connection").getByText("Live").filter({ visible: true }).waitFor();
    const port = Number(new URL(mock.url).port);
    await mock.close();
    mocks.length = 0;
    await page.getByText("The server does not answer since").waitFor();
    await page.getByTestId("connection").getByText("No connection").filter({ visible: true }).waitFor();
    await shoot(page, "state-server-away");
    mocks.push(await startMock({ agents: 3 }, port));
    await page.getByTestId("connection").getByText("Live").filter({ visible: true }).waitFor();
    await page.getByText("The server does not answer since").waitFor({ state: "detached" });
    expect(errors).toEqual([]);
    await page.context().close();
  });

  it("offers time ranges and sections on a narrow screen", async () => {
    const { page, errors } = await open({ agents: 3 }, "/hosts/agent-1", narrow);
    await page.getByRole("button", { name: /^Time range/ }).click();
    await page.getByRole("dialog", { name: "Time range" }).waitFor();
    await shoot(page, "state-picker");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Open navigation" }).click();
    await shoot(page, "state-drawer");
    await page.getByRole("link", { name: "Platform" }).click();
    await page.waitForURL(/platform$/);
    expect(errors).toEqual([]);
    await page.context().close();
  });
});
