// The language of rule files: YAML with PromQL in it.

import { yamlLanguage } from "@codemirror/lang-yaml";
import { LanguageSupport } from "@codemirror/language";
import { parseMixed, type SyntaxNodeRef } from "@lezer/common";
import { LanguageType, newCompleteStrategy, promQLLanguage } from "@prometheus-io/codemirror-promql";

/** Fields whose values are PromQL. */
const EXPRESSIONS = ["expr", "clear"];

/** Returns the language, with names of metrics and labels from the server. */
export function ruleLanguage(): LanguageSupport {
  const promql = promQLLanguage(LanguageType.PromQL);
  const complete = newCompleteStrategy({
    remote: { url: `${location.origin}/prometheus`, httpMethod: "GET" },
  });
  const mixed = yamlLanguage.configure({
    wrap: parseMixed((node, input) => {
      if (!isValue(node)) return null;
      const key = keyOf(node, (from, to) => input.read(from, to));
      return EXPRESSIONS.includes(key) ? { parser: promql.parser } : null;
    }),
  });
  return new LanguageSupport(mixed, [
    promql.data.of({
      autocomplete: (context: Parameters<typeof complete.promQL>[0]) => complete.promQL(context),
    }),
  ]);
}

function isValue(node: SyntaxNodeRef): boolean {
  return node.name === "BlockLiteralContent" || node.name === "Literal";
}

function keyOf(node: SyntaxNodeRef, read: (from: number, to: number) => string): string {
  const parent = node.node.parent;
  const pair = parent?.name === "BlockLiteral" ? parent.parent : parent;
  const key = pair?.name === "Pair" ? pair.getChild("Key") : null;
  return key ? read(key.from, key.to) : "";
}
