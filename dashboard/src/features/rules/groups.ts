// Rules by group, as the list shows them.

import type { Rule } from "../../api/schema";

/** A group of a file, with its rules in their order. */
export interface RuleGroup {
  file: string;
  name: string;
  rules: Rule[];
}

/** Which rules to show. */
export interface RuleFilter {
  /** Part of the name, the group or the file. */
  text: string;
  /** Only those that fail, fire or are held. */
  noteworthy: boolean;
}

/** Returns the groups with rules that the filter wants, in the order of the rules. */
export function groupRules(rules: readonly Rule[], filter: RuleFilter): RuleGroup[] {
  const groups = new Map<string, RuleGroup>();
  for (const rule of rules) {
    if (!wanted(rule, filter)) continue;
    const { file = "", group: name = "" } = rule;
    const key = JSON.stringify([file, name]);
    const group = groups.get(key);
    if (group) group.rules.push(rule);
    else groups.set(key, { file, name, rules: [rule] });
  }
  return [...groups.values()];
}

function wanted(rule: Rule, { text, noteworthy }: RuleFilter): boolean {
  const where = `${rule.name ?? ""}\n${rule.group ?? ""}\n${rule.file ?? ""}`.toLowerCase();
  if (!where.includes(text.toLowerCase())) return false;
  return !noteworthy || rule.health === "failing" || Number(rule.firing ?? 0) + Number(rule.held ?? 0) > 0;
}
