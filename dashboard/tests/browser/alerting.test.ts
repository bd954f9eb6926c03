// What people do about alerts, from the list to the receivers: against the mock,
// which keeps what was sent to it.

import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startMock, type Mock } from "../mock/server";
import { barriers, openPage, shoot, startBrowser } from "./browser";

const ALERT = "000000c0ffee5eed00d1ce00";

describe("alerting", () => {
  let browser: Browser;
  let mock: Mock;
  let page: Page;
  let errors: string[];
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser.close());
  beforeEach(async () => {
    mock = await startMock({ agents: 40, alerts: 40 });
    ({ page, errors } = await openPage(browser));
  });
  afterEach(async () => {
    expect(errors).toEqual([]);
    await page.context().close();
    await mock.close();
  });

  const open = (path: string) => page.goto(mock.url + path);
  const button = (name: string | RegExp) => page.getByRole("button", { name });
  const posted = (path: string) => mock.alerting.posted.filter((p) => p.path === `/api/v1/${path}`);

  it("acknowledges alerts that were chosen in the list", async () => {
    await open("/alerts");
    await page.getByRole("checkbox", { name: /^Choose HostDown web-00000/ }).check();
    await page.getByRole("checkbox", { name: /^Choose LoadHigh cache-00007/ }).check();
    await page.getByText("2 chosen").waitFor();
    await button("Acknowledge …").click();
    const dialog = page.getByRole("dialog", { name: "Acknowledge 2 alerts" });
    await dialog.getByRole("button", { name: "Acknowledge" }).click();
    await dialog.getByText("Say who you are").waitFor();
    expect(posted("alerts:acknowledge")).toEqual([]);
    await dialog.getByLabel("Your name").fill("Ada");
    await dialog.getByLabel("Comment").fill("on it");
    await dialog.getByLabel("Keep it when").check();
    expect(await barriers(page)).toEqual([]);
    await shoot(page, "alerting-acknowledge");
    await dialog.getByRole("button", { name: "Acknowledge" }).click();
    await dialog.waitFor({ state: "detached" });
    await page.getByText("None chosen").waitFor();
    const row = page.getByRole("row").filter({ hasText: "HostDown on web-00000" });
    await row.getByText("Acknowledged", { exact: true }).waitFor();
    expect(posted("alerts:acknowledge")[0]?.body).toMatchObject({
      author: "Ada",
      comment: "on it",
      sticky: true,
    });
  });

  it("says what is wrong with matchers while one types, and filters by them", async () => {
    await open("/alerts");
    const field = page.getByLabel("Filter by labels");
    await field.fill("severity");
    await page.getByRole("alert").getByText("is no matcher").waitFor();
    await field.fill('severity="info", host_name=~"db-.*"');
    await page.waitForURL(/matcher=/);
    await page
      .getByRole("status")
      .getByText(/^\d+ found$/)
      .waitFor();
    expect(await page.getByRole("link", { name: "HostDown" }).count()).toBe(0);
    await button("Resolved").click();
    await page.waitForURL(/state=resolved/);
    await page.goBack();
    await page.waitForURL((url) => !url.search.includes("state="));
  });

  it("opens a group in place, and leads to its alerts alone", async () => {
    await mock.close();
    mock = await startMock({ agents: 400, alerts: 10_000 });
    await open("/alerts?group=alertname");
    await page.getByText("6 groups").waitFor();
    await button("Alerts of LoadHigh").click();
    const table = page.getByRole("table", { name: "Alerts of LoadHigh" });
    await table.getByRole("row").nth(50).waitFor();
    await page.getByRole("link", { name: /^[\d,]+ more$/ }).click();
    await page.waitForURL(/matcher=alertname/);
    await page
      .getByRole("navigation", { name: "Pages of the list" })
      .getByText(/^1–50 of 1,\d+$/)
      .waitFor();
    await button("Next page").click();
    await page.getByText(/^51–100 of/).waitFor();
  });

  it("shows one alert with its history, and takes an acknowledgement back", async () => {
    await open("/alerts/000002c0ffee5eed00d1ce00");
    await page.getByText("By Ada: more memory is ordered").waitFor();
    await page.getByTestId("band").first().waitFor();
    await button("Take acknowledgement back").click();
    await page.getByText("By Ada: more memory is ordered").waitFor({ state: "detached" });
    await button(/^Attempts of/)
      .first()
      .click();
    await page
      .getByRole("list", { name: "Attempts" })
      .getByText(/202 Accepted|503 Service/)
      .first()
      .waitFor();
    await page.getByRole("link", { name: "catalogue/host.yaml/disks/DiskSlow" }).click();
    await page.getByLabel("Text of the rule").getByText("alert: DiskSlow").waitFor();
  });

  it("asks before it acknowledges what a link names", async () => {
    await open(`/alerts/confirm?ids=${ALERT}&exp=123&sig=abc`);
    await page.getByRole("table", { name: "What would be acknowledged" }).getByText("HostDown on").waitFor();
    expect(mock.alerting.posted).toEqual([]);
    await page.getByLabel("Your name").fill("Grace");
    await button("Acknowledge it").click();
    await page.getByText("Acknowledged.").waitFor();
    expect(posted("alerts:acknowledge")[0]?.body).toMatchObject({ ids: [ALERT], exp: "123", sig: "abc" });
  });

  it("marks mistakes of a rule at their line, and runs a backtest of two versions", async () => {
    await open("/rules/try");
    await page.getByText("No mistakes found.").waitFor();
    const editor = page.getByRole("textbox", { name: "Rule" });
    await editor.click();
    await page.keyboard.press("Control+Home");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("End");
    await page.keyboard.type(")");
    await page
      .getByRole("alert", { name: "Mistakes" })
      .getByText(/^Line 2: expr: there is an unequal/)
      .waitFor();
    await page.locator(".cm-lint-marker-error").waitFor();
    expect(await button(/^Run over/).isDisabled()).toBe(true);
    expect(await barriers(page)).toEqual([]);
    await page.keyboard.press("Backspace");
    await page.getByText("No mistakes found.").waitFor();
    await button("Compare with another version").click();
    await page.getByText("No mistakes found.").nth(1).waitFor();
    await button(/^Run over/).click();
    await page.getByTestId("episode").first().waitFor();
    await button(/^cache-00015/).click();
    expect(posted("rules:backtest")[0]?.body).toMatchObject({ notifications: true });
    await page.getByRole("table", { name: "By host" }).getByText("Other version: episodes").waitFor();
    expect(await barriers(page)).toEqual([]);
    await shoot(page, "alerting-backtest", true);
  });

  it("silences what was chosen, with a preview", async () => {
    await open("/alerts");
    await page.getByRole("checkbox", { name: /^Choose HostDown web-00000/ }).check();
    await button("Silence …").click();
    await page.waitForURL(/silences\/new/);
    await page
      .getByRole("status")
      .getByText(/1 alert now/)
      .waitFor();
    await page.getByLabel("Only in windows").check();
    await page.getByRole("list", { name: "The next windows" }).waitFor();
    await page.getByLabel("Only in windows").uncheck();
    await button("Silence").click();
    await page.getByText("Say why: others see it.").waitFor();
    await page.getByLabel("Why").fill("swap the drive");
    await page.getByLabel("Your name").fill("Ada");
    await button("Silence").click();
    const row = page.getByRole("row").filter({ hasText: "swap the drive" });
    await row.getByText("Active", { exact: true }).waitFor();
    await row.getByRole("button", { name: "End now" }).click();
    await row.waitFor({ state: "detached" });
    expect(posted("silences")[0]?.body).toMatchObject({
      matchers: expect.arrayContaining(['alertname="HostDown"', 'host_name="web-00000.example"']) as string[],
    });
  });

  it("tries receivers and routes", async () => {
    await open("/receivers");
    await button("Send a test to duty-pager").click();
    await page.getByText("Not delivered after 10 s: 503 Service Unavailable").waitFor();
    await button("Try the routes").click();
    await page.getByRole("list", { name: "Routes that match" }).getByText("After 10m without").waitFor();
    await page.getByTestId("matched-route").getByText('severity="critical"').waitFor();
    expect(await barriers(page)).toEqual([]);
    await shoot(page, "alerting-routes");
    await page.getByRole("row").filter({ hasText: "duty-pager" }).getByRole("link", { name: "2" }).click();
    await page.waitForURL(/notifications\?receiver=duty-pager&state=dead/);
    await button("Send again").first().click();
    await expect.poll(() => mock.alerting.posted.some((p) => p.path.endsWith("/retry"))).toBe(true);
  });

  it("puts somebody else on call, and takes it back", async () => {
    await open("/on-call");
    await button("Take back the override of Edsger Dijkstra").click();
    await button("Take back the override of Edsger Dijkstra").waitFor({ state: "detached" });
    const form = page.locator("form").first();
    await form.getByLabel("Who").fill("Alan Turing");
    await form.getByLabel("Your name").fill("Ada");
    await form.getByRole("button", { name: "Put on call" }).click();
    await button("Take back the override of Alan Turing").waitFor();
  });

  it("shows the alerts of a host above its charts", async () => {
    await open("/hosts/agent-0");
    await page
      .getByRole("table", { name: "Alerts of the host" })
      .getByRole("link", { name: "HostDown" })
      .waitFor();
    await page.getByRole("link", { name: "in the list" }).click();
    await page.waitForURL(/\/alerts\?matcher=host_name/);
  });
});
