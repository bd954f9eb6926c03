// Conditions on the labels of alerts, as people write them: severity="critical",
// host_name=~"db.*". The server reads the same form and has the last word.

import { accepts, quote, type Matcher } from "./promql";

/** What was read, or what is wrong with it. */
export type Parsed = { ok: true; matchers: Matcher[] } | { ok: false; error: string };

const MAX_MATCHERS = 64;

/** Reads matchers that are separated by commas or line ends, in braces or not. */
export function parseMatchers(text: string): Parsed {
  let rest = text.trim();
  if (rest.startsWith("{")) {
    if (!rest.endsWith("}")) return wrong("The closing brace is missing.");
    rest = rest.slice(1, -1).trim();
  }
  const matchers: Matcher[] = [];
  while (rest !== "") {
    const one = parseOne(rest);
    if (typeof one === "string") return wrong(one);
    matchers.push(one.matcher);
    rest = one.rest.trimStart();
  }
  if (matchers.length > MAX_MATCHERS) return wrong(`At most ${MAX_MATCHERS} matchers can be given.`);
  return { ok: true, matchers };
}

/** Writes a matcher. */
export function writeMatcher(m: Matcher): string {
  return `${m.label}${m.op}${quote(m.value)}`;
}

/** Writes matchers as one text. */
export function writeMatchers(matchers: readonly Matcher[]): string {
  return matchers.map(writeMatcher).join(", ");
}

/** Returns the matchers that only labels with these values satisfy. */
export function matchersOf(labels: Readonly<Record<string, string>>): Matcher[] {
  return Object.entries(labels).map(([label, value]) => ({ label, op: "=", value }));
}

/** Tells whether the matchers would match something without any labels, and so nearly everything. */
export function matchesAll(matchers: readonly Matcher[]): boolean {
  try {
    return accepts(matchers, {});
  } catch {
    return false; // an expression that only the server can read
  }
}

const wrong = (error: string): Parsed => ({ ok: false, error });

function parseOne(text: string): { matcher: Matcher; rest: string } | string {
  const head = /^\s*([^=!~,\s]*)\s*(=~|!~|!=|=)\s*/.exec(text);
  if (!head) {
    const word = /^[^,\n]*/.exec(text)?.[0].trim() ?? "";
    return `“${word}” is no matcher: write name="value", or name=~"expression".`;
  }
  const [all, label = "", op] = head;
  if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(label)) {
    return `“${label}” is no name of a label: use letters, digits and underscores.`;
  }
  const value = parseValue(text.slice(all.length));
  if (typeof value === "string") return value;
  const rest = /^[ \t]*(?:[,\n]\s*|$)/.exec(value.rest);
  if (!rest) return `A comma is missing before “${value.rest.trim()}”.`;
  const matcher: Matcher = { label, op: op as Matcher["op"], value: value.value };
  const problem = expressionProblem(matcher);
  return problem ?? { matcher, rest: value.rest.slice(rest[0].length) };
}

function parseValue(text: string): { value: string; rest: string } | string {
  const quoteMark = text[0];
  if (quoteMark === undefined || !"\"'`".includes(quoteMark)) {
    const value = /^[^,\n]*/.exec(text)?.[0] ?? "";
    return { value: value.trim(), rest: text.slice(value.length) };
  }
  let value = "";
  for (let i = 1; i < text.length; i++) {
    const c = text[i] ?? "";
    if (c === quoteMark) return { value, rest: text.slice(i + 1) };
    if (c === "\\" && quoteMark !== "`") {
      const escaped = /^\\([\\"'nrt])/.exec(text.slice(i));
      if (!escaped) return `“${text.slice(i, i + 2)}” is no escape: write \\\\ for a backslash.`;
      value += escapes[escaped[1] ?? ""] ?? escaped[1] ?? "";
      i++;
    } else value += c;
  }
  return `The closing quote of “${text}” is missing.`;
}

const escapes: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };

/**
 * Says what is wrong with an expression, as far as can be said here: the server
 * reads RE2, and what only RE2 has is left to it.
 */
function expressionProblem({ label, op, value }: Matcher): string | undefined {
  if (op === "=" || op === "!=") return undefined;
  if (/\(\?(?:[=!]|<[=!])/.test(value))
    return `The expression for ${label} looks ahead or behind, which is not known.`;
  try {
    new RegExp(
      value.replace(/\(\?P</g, "(?<").replace(/\(\?[imsU-]+(\)|:)/g, (_, end) => (end === ":" ? "(?:" : "")),
    );
    return undefined;
  } catch {
    return `The regular expression for ${label} cannot be read.`;
  }
}
