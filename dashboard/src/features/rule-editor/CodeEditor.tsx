// The editor itself. It is large: import it lazily.

import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, setDiagnostics, type Diagnostic } from "@codemirror/lint";
import type { Text } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import CodeMirror, { type ReactCodeMirrorRef } from "@uiw/react-codemirror";
import { useEffect, useMemo, useRef, useState } from "react";
import { useScheme } from "../../components/useScheme";
import { ruleLanguage } from "./rule-language";
import type { TextProblem } from "./rule-text";

interface Props {
  label: string;
  value: string;
  onChange: (value: string) => void;
  problems: readonly TextProblem[];
}

/** Edits rules: YAML with PromQL in it, what is wrong marked at its line. */
export default function CodeEditor({ label, value, onChange, problems }: Props) {
  const scheme = useScheme();
  const editor = useRef<ReactCodeMirrorRef>(null);
  const [ready, setReady] = useState(false);
  const extensions = useMemo(
    () => [
      ruleLanguage(),
      syntaxHighlighting(scheme === "dark" ? darkStyle : lightStyle),
      lintGutter(),
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({ "aria-label": label }),
      look,
    ],
    [label, scheme],
  );
  useEffect(() => {
    const view = editor.current?.view;
    if (view && ready) view.dispatch(setDiagnostics(view.state, diagnostics(view.state.doc, problems)));
  }, [problems, ready]);
  return (
    <CodeMirror
      ref={editor}
      value={value}
      onChange={onChange}
      onCreateEditor={() => setReady(true)}
      theme="none"
      extensions={extensions}
      minHeight="260px"
      maxHeight="480px"
      // Tab leaves the field, as people with a keyboard expect; Ctrl-] indents.
      indentWithTab={false}
      basicSetup={{ foldGutter: false, syntaxHighlighting: false, highlightActiveLine: false }}
    />
  );
}

function diagnostics(doc: Text, problems: readonly TextProblem[]): Diagnostic[] {
  return problems.flatMap((problem) => {
    if (problem.line < 1 || problem.line > doc.lines) return [];
    const line = doc.line(problem.line);
    const from = Math.min(line.to, line.from + Math.max(0, problem.column - 1));
    return [{ from, to: Math.max(from, line.to), severity: "error" as const, message: problem.message }];
  });
}

const variable = (name: string) => `var(--mui-palette-${name})`;

const look = EditorView.theme({
  "&": {
    fontSize: "0.8125rem",
    color: variable("text-primary"),
    backgroundColor: variable("background-paper"),
  },
  ".cm-scroller": { fontFamily: "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" },
  ".cm-gutters": {
    color: variable("text-secondary"),
    backgroundColor: variable("background-default"),
    borderRight: `1px solid ${variable("divider")}`,
  },
  ".cm-activeLineGutter": { backgroundColor: "transparent", color: variable("text-primary") },
  ".cm-cursor": { borderLeftColor: variable("text-primary") },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "color-mix(in srgb, var(--mui-palette-primary-main) 25%, transparent) !important",
  },
  ".cm-tooltip": {
    color: variable("text-primary"),
    backgroundColor: variable("background-paper"),
    border: `1px solid ${variable("divider")}`,
  },
  ".cm-tooltip-autocomplete ul li[aria-selected]": {
    color: "#fff",
    backgroundColor: "#2a66cf",
  },
});

const style = (c: { key: string; text: string; number: string; name: string; word: string; quiet: string }) =>
  HighlightStyle.define([
    { tag: [tags.definition(tags.propertyName), tags.propertyName], color: c.key },
    { tag: [tags.string, tags.attributeValue], color: c.text },
    { tag: [tags.number, tags.bool], color: c.number },
    { tag: [tags.variableName, tags.labelName, tags.function(tags.variableName)], color: c.name },
    { tag: [tags.keyword, tags.operatorKeyword, tags.modifier], color: c.word },
    { tag: [tags.comment, tags.lineComment], color: c.quiet, fontStyle: "italic" },
  ]);

const lightStyle = style({
  key: "#8a3b12",
  text: "#1b6e45",
  number: "#8a2c7a",
  name: "#1f55b5",
  word: "#6a3fc0",
  quiet: "#5b6675",
});
const darkStyle = style({
  key: "#f2a94b",
  text: "#6fcf9a",
  number: "#e57ab5",
  name: "#7aabff",
  word: "#b8a6f5",
  quiet: "#93a0b2",
});
