import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startMock, type Mock } from "../mock/server";
import { barriers, openPage, shoot, startBrowser } from "./browser";

const views = [
  { name: "desktop-light", colorScheme: "light", viewport: { width: 1440, height: 900 } },
  { name: "desktop-dark", colorScheme: "dark", viewport: { width: 1440, height: 900 } },
  { name: "narrow-light", colorScheme: "light", viewport: { width: 390, height: 844 } },
  { name: "narrow-dark", colorScheme: "dark", viewport: { width: 390, height: 844 } },
] as const;

const ALERT = "000002c0ffee5eed00d1ce00";
const RULE = "catalogue/host.yaml/hosts/LoadHigh";

const pages = [
  { name: "hosts", path: "/hosts", ready: "text=web-00000.example" },
  { name: "host", path: "/hosts/agent-1", ready: '[data-panel="cpu"] canvas' },
  { name: "platform", path: "/platform", ready: "text=Every part can do its work" },
  { name: "alerts", path: "/alerts", ready: "text=LoadHigh" },
  { name: "alert-groups", path: "/alerts?group=alertname", ready: "text=LoadHigh" },
  { name: "alert", path: `/alerts/${ALERT}`, ready: '[data-testid="band"]' },
  { name: "confirm", path: `/alerts/confirm?ids=${ALERT}&exp=1&sig=x`, ready: "text=Do you deal with" },
  { name: "rules", path: "/rules", ready: "text=LoadHigh" },
  { name: "rule", path: `/rules/${encodeURIComponent(RULE)}`, ready: '[data-testid="episode"]' },
  { name: "try", path: "/rules/try", ready: ".cm-content" },
  { name: "silences", path: "/silences?expired=1", ready: "text=weekly maintenance" },
  {
    name: "silence",
    path: "/silences/new?matcher=team%3D%22database%22",
    ready: "text=that fire would still be told",
  },
  { name: "receivers", path: "/receivers", ready: "text=gathers for" },
  { name: "notifications", path: "/notifications", ready: "text=Firing: HostDown" },
  { name: "on-call", path: "/on-call", ready: "text=Edsger Dijkstra" },
];

describe("the pages", () => {
  let browser: Browser;
  let mock: Mock;
  beforeAll(async () => {
    [browser, mock] = await Promise.all([startBrowser(), startMock({ agents: 40, alerts: 40 })]);
  });
  afterAll(async () => {
    await browser.close();
    await mock.close();
  });

  for (const view of views) {
    for (const { name, path, ready } of pages) {
      it(`${name}, ${view.name}: no errors, no barriers, nothing wider than the screen`, async () => {
        const { page, errors } = await openPage(browser, view);
        await page.goto(mock.url + path);
        await page.waitForSelector(ready);
        await page.waitForFunction(
          () => !document.querySelector('main .MuiSkeleton-root:not([role="slider"] *)'),
        );
        await shoot(page, `${name}-${view.name}`, name !== "hosts");
        expect(await barriers(page)).toEqual([]);
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        expect(width).toBeLessThanOrEqual(view.viewport.width);
        expect(await page.evaluate(cutHeads)).toEqual([]);
        expect(errors).toEqual([]);
        await page.context().close();
      });
    }
  }
});

/** Returns the heads of columns that are wider than their column. */
function cutHeads(): string[] {
  return [...document.querySelectorAll("thead th")]
    .filter((head) => head.scrollWidth > head.clientWidth)
    .map((head) => head.textContent);
}
