// Rules as they are evaluated, and new ones that are tried.

import { call, client, present, withSignal } from "./http";
import type { BacktestAnswer, BacktestRequest, CheckedRules, Rule, RuleList } from "./schema";

export const rulesApi = {
  /** Lists all rules, and what is wrong with the configuration. */
  list(signal?: AbortSignal): Promise<RuleList> {
    return call(client.GET("/api/v1/rules", withSignal(signal)));
  },

  /** Returns one rule with its text. */
  async get(id: string, signal?: AbortSignal): Promise<Rule> {
    const answer = await call(
      client.GET("/api/v1/rules/{id}", { params: { path: { id } }, ...withSignal(signal) }),
    );
    return present(answer.rule, `rule ${id}`);
  },

  /** Says what is wrong with a rule file. */
  check(name: string, content: string, signal?: AbortSignal): Promise<CheckedRules> {
    const body = { files: [{ name, content }] };
    return call(client.POST("/api/v1/rules:check", { body, ...withSignal(signal) }));
  },

  /** Runs a rule over stored history. */
  backtest(body: BacktestRequest, signal?: AbortSignal): Promise<BacktestAnswer> {
    return call(client.POST("/api/v1/rules:backtest", { body, ...withSignal(signal) }));
  },
};
