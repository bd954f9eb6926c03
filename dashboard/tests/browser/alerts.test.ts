// The way of an alert, against the built server and agent: from a reading of this
// machine to a message, from its link to the page, and what people do there.

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { barriers, openPage, shoot, startBrowser } from "./browser";
import { builtPrograms, startReal, type Running } from "./real";

const programs = builtPrograms();

/** From a reading to what comes of it: readings are ten seconds apart, rounds five. */
const SOON = { timeout: 60_000 };

/** A message as the webhook receiver gets it: what the test looks at. */
interface Message {
  status: string;
  alerts: { labels: Record<string, string>; url: string; runbookURL?: string }[];
  esmon: { title: string; confirmURL?: string };
}

/** A receiver of webhooks that keeps what it gets. */
class Sink {
  readonly messages: Message[] = [];
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => {
      let body = "";
      request.on("data", (part: Buffer) => (body += part.toString()));
      request.on("end", () => {
        this.messages.push(JSON.parse(body) as Message);
        response.end();
      });
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/hook`;
  }

  close(): void {
    this.server.close();
  }

  /** Waits for a message about an alert in a state. */
  async about(name: string, status: string): Promise<Message> {
    const found = () =>
      this.messages.filter((m) => m.status === status && m.alerts.some((a) => a.labels.alertname === name));
    await expect.poll(() => found().length, SOON).toBeGreaterThan(0);
    const [first] = found();
    if (!first) throw new Error("there was a message and it is gone");
    return first;
  }
}

/** A rule that fires for every host that runs for longer. */
const rule = (seconds: string) => `groups:
  - name: journey
    interval: 5s
    rules:
      - alert: RunsForLong
        expr: system_uptime_seconds > ${seconds}
        severity: critical
        runbook: runbooks/HostRestarted
        annotations: {summary: "{{ $labels.host_name }} runs for {{ $value | humanizeDuration }}"}
`;

describe.skipIf(!programs)("the way of an alert, real server", () => {
  const sink = new Sink();
  let browser: Browser;
  let server: Running;
  let page: Page;
  let errors: string[];
  beforeAll(async () => {
    if (!programs) return;
    const hook = await sink.listen();
    [browser, server] = await Promise.all([
      startBrowser(),
      startReal(programs, {
        "rules/journey.yaml": rule("1"),
        "receivers.yaml": `receivers:\n  - name: duty\n    webhook: {url: "${hook}"}\n`,
        "routes.yaml": `route:\n  receiver: duty\n  group_by: [alertname]\n  group_wait: 1s\n  group_interval: 5s\n`,
      }),
    ]);
    ({ page, errors } = await openPage(browser));
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
    sink.close();
  });

  /** Opens what a link of a message leads to: the server does not know its own port. */
  const follow = (link: string) => {
    const { pathname, search } = new URL(link);
    return page.goto(server.url + pathname + search);
  };
  const row = () => page.getByRole("row").filter({ hasText: "RunsForLong" });
  const button = (name: string | RegExp) => page.getByRole("button", { name });

  it("shows up on the page while it is open", async () => {
    await page.goto(`${server.url}/alerts`);
    await row().getByText("Firing", { exact: true }).waitFor(SOON);
    await row().getByText(server.host).first().waitFor();
    expect(await barriers(page)).toEqual([]);
    await shoot(page, "alerts-list-real");
  });

  it("is told, with a link to its page and one to its runbook", async () => {
    const message = await sink.about("RunsForLong", "firing");
    expect(message.esmon.title).toContain("RunsForLong");
    const alert = message.alerts[0];
    await follow(alert?.runbookURL ?? "");
    await page.getByRole("heading", { level: 1, name: "HostRestarted" }).waitFor();
    await follow(alert?.url ?? "");
    await page.getByRole("heading", { level: 1 }).filter({ hasText: "RunsForLong" }).waitFor();
    await page.getByTestId("band").first().waitFor(SOON);
    await button(/^Attempts of/)
      .first()
      .click();
    await page.getByRole("list", { name: "Attempts" }).getByRole("listitem").first().waitFor();
    await shoot(page, "alerts-detail-real", true);
  });

  it("is acknowledged by the link in the message, once somebody says so", async () => {
    const { esmon } = await sink.about("RunsForLong", "firing");
    await follow(esmon.confirmURL ?? "");
    await page.getByRole("table", { name: "What would be acknowledged" }).getByText("RunsForLong").waitFor();
    await page.getByLabel("Your name").fill("Grace");
    await button("Acknowledge it").click();
    await page.getByText("Acknowledged.").waitFor();
    await page.goto(`${server.url}/alerts`);
    await row().getByText("Acknowledged", { exact: true }).waitFor(SOON);
  });

  it("is silenced with a preview that names it", async () => {
    await page.getByRole("checkbox", { name: /^Choose RunsForLong/ }).check();
    await button("Silence …").click();
    await page.waitForURL(/silences\/new/);
    await page
      .getByRole("status")
      .getByText(/1 alert now/)
      .waitFor();
    await page.getByLabel("Why").fill("it may run");
    await page.getByLabel("Your name").fill("Ada");
    await button("Silence").click();
    const silence = page.getByRole("row").filter({ hasText: "it may run" });
    await silence.getByText("Active", { exact: true }).waitFor();
    await page.goto(`${server.url}/alerts`);
    await row().getByText("Silenced", { exact: true }).waitFor(SOON);
    await page.goto(`${server.url}/silences`);
    await silence.getByRole("button", { name: "End now" }).click();
    await silence.waitFor({ state: "detached" });
  });

  it("reaches a receiver that is tried", async () => {
    const before = sink.messages.length;
    await page.goto(`${server.url}/receivers`);
    await button("Send a test to duty").click();
    await expect.poll(() => sink.messages.length, SOON).toBeGreaterThan(before);
    await page
      .getByText(/^Delivered/)
      .first()
      .waitFor();
  });

  it("resolves when the rule says so, and is told", async () => {
    await page.goto(`${server.url}/alerts`);
    await row().waitFor();
    await server.configure("rules/journey.yaml", rule("1e12"));
    await row().waitFor({ state: "detached", ...SOON });
    await sink.about("RunsForLong", "resolved");
  });

  it("made no mistakes on the way", () => {
    expect(errors).toEqual([]);
  });
});
