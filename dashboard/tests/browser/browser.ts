// A real browser for the tests, with nothing of its own that talks to the net.

import { mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";

const SHOTS = join(import.meta.dirname, "..", "..", "test-results");

/** Starts Chromium without a window. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.ESMON_CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** Opens an empty page; what goes wrong in it is gathered in errors. */
export async function openPage(
  browser: Browser,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; errors: string[] }> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    // Calls that fail are part of the tests; what the code itself does wrong is not.
    if (message.type() === "error" && !/Failed to load resource|WebSocket connection/.test(message.text())) {
      errors.push(message.text());
    }
  });
  return { page, errors };
}

/** Keeps a picture of the page for people to look at. */
export async function shoot(page: Page, name: string, fullPage = false): Promise<void> {
  mkdirSync(SHOTS, { recursive: true });
  const size = page.viewportSize();
  if (fullPage && size) {
    // Charts are drawn when they come near the screen: make it as long as the page.
    const height = await page.evaluate(() => document.documentElement.scrollHeight);
    await page.setViewportSize({ width: size.width, height });
    await page.waitForFunction(() => !document.querySelector('main [aria-busy="true"]'));
  }
  // Fading and drawing end by themselves; only the picture depends on it.
  await page.waitForTimeout(400);
  await page.screenshot({ path: join(SHOTS, `${name}.png`) });
  if (fullPage && size) await page.setViewportSize(size);
}

interface AxeResult {
  violations: { id: string; help: string; nodes: { html: string; failureSummary?: string }[] }[];
}

/** Returns what stands in the way of people who use the keyboard or a screen reader. */
export async function barriers(page: Page): Promise<string[]> {
  const source = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  await page.evaluate(source);
  const result = await page.evaluate<AxeResult>(
    `axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] })`,
  );
  return result.violations.map(
    (v) =>
      `${v.id}: ${v.help}: ${v.nodes
        .map((n) => `${n.html} ${n.failureSummary ?? ""}`)
        .join(" | ")
        .slice(0, 800)}`,
  );
}

/** Returns the text of a chart's canvas as numbers that change when it is drawn anew. */
export function pixels(page: Page, panel: string): Promise<string> {
  return page
    .locator(`[data-panel="${panel}"] canvas`)
    .evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL());
}
