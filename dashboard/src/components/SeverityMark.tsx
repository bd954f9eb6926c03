import { Tag, type Tone } from "./Tag";

const tones: Readonly<Record<string, Tone>> = { critical: "bad", warning: "warn" };

/** How severe an alert is, in the rule's word. */
export function SeverityMark({ severity }: { severity: string | undefined }) {
  return severity ? <Tag tone={tones[severity] ?? "quiet"}>{severity}</Tag> : null;
}
