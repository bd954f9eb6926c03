// The text in the editor: one rule, a group, or a whole file. The server checks
// files, so a rule and a group are put into one; the lines it names are taken back.

/** What the text is. */
export type Form = "rule" | "group" | "file";

/** The text as a file, and how far its lines were moved. */
export interface RuleFile {
  form: Form;
  content: string;
  lines: number;
  columns: number;
}

/** Returns what the text is, by the keys that stand furthest left. */
export function formOf(text: string): Form {
  const keys = topKeys(text);
  if (keys.includes("groups")) return "file";
  return keys.includes("rules") || (keys.includes("name") && !keys.includes("expr")) ? "group" : "rule";
}

/** Returns the text as a rule file. */
export function asFile(text: string): RuleFile {
  const form = formOf(text);
  if (form === "file") return { form, content: text, lines: 0, columns: 0 };
  const head = form === "group" ? ["groups:"] : ["groups:", "  - name: try", "    rules:"];
  const indent = form === "group" ? 2 : 6;
  const listed = firstLine(text).trimStart().startsWith("- ");
  // A dash may stand alone on the line before what is its item.
  if (!listed) head.push(`${" ".repeat(indent)}-`);
  const columns = listed ? indent : indent + 2;
  const body = text.split("\n").map((line) => (line.trim() === "" ? line : " ".repeat(columns) + line));
  return { form, content: [...head, ...body].join("\n"), lines: head.length, columns };
}

/** Returns the text as a backtest takes it: an item of a list stands for itself. */
export function asItem(text: string): string {
  const first = firstLine(text);
  const dash = /^(\s*)- +/.exec(first);
  if (!dash) return text;
  const width = dash[0].length;
  let seen = false;
  return text
    .split("\n")
    .map((line) => {
      if (!seen && line === first) {
        seen = true;
        return line.slice(width);
      }
      return line.startsWith(" ".repeat(width)) ? line.slice(width) : line.trimStart();
    })
    .join("\n");
}

/** Something wrong with a line of the text, from 1; 0 where no line is known. */
export interface TextProblem {
  line: number;
  column: number;
  message: string;
}

/** Takes what the server says about the file back to the text. */
export function textProblem(
  file: RuleFile,
  problem: { line?: number; column?: number; field?: string; message?: string },
): TextProblem {
  const line = Math.max(0, (problem.line ?? 0) - file.lines);
  const column = line === 0 ? 0 : Math.max(0, (problem.column ?? 0) - file.columns);
  const field =
    file.form === "file" ? problem.field : problem.field?.replace(/^groups\[0\]\.?(rules\[0\]\.?)?/, "");
  return { line, column, message: [field, problem.message].filter(Boolean).join(": ") };
}

/** Writes the rules of one file as others can find it: what the copy button gives. */
export function asSavedFile(text: string): string {
  return `${asFile(text).content.trimEnd()}\n`;
}

function firstLine(text: string): string {
  return text.split("\n").find((line) => line.trim() !== "" && !line.trimStart().startsWith("#")) ?? "";
}

function topKeys(text: string): string[] {
  const keys = [...text.matchAll(/^([ -]*)([A-Za-z_]+):/gm)].map(([, indent = "", key = ""]) => ({
    indent: indent.length,
    key,
  }));
  const least = Math.min(...keys.map((k) => k.indent));
  return keys.filter((k) => k.indent === least).map((k) => k.key);
}
