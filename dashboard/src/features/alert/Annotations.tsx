import Box from "@mui/material/Box";
import Link from "@mui/material/Link";
import { Notice } from "../../components/Notice";
import { Panel } from "../../components/Panel";
import { safeLink } from "../../lib/safe-link";

/** The texts that the rule has for an alert. */
export function Annotations({ annotations }: { annotations: Readonly<Record<string, string>> }) {
  const list = Object.entries(annotations).sort(([a], [b]) => a.localeCompare(b));
  return (
    <Panel title="Annotations">
      {list.length === 0 ? (
        <Notice title="Its rule says nothing more" minHeight={60} />
      ) : (
        <Box component="dl" sx={{ m: 0, fontSize: "0.8125rem" }}>
          {list.map(([name, text]) => (
            <Box key={name} sx={{ mb: 0.75 }}>
              <Box component="dt" sx={{ color: "text.secondary" }}>
                {name}
              </Box>
              <Box component="dd" sx={{ m: 0, whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
                <Text text={text} />
              </Box>
            </Box>
          ))}
        </Box>
      )}
    </Panel>
  );
}

function Text({ text }: { text: string }) {
  const link = /^https?:\/\/\S+$/.test(text) ? safeLink(text) : undefined;
  if (link === undefined) return text;
  return (
    <Link href={link} target="_blank" rel="noopener noreferrer" underline="always">
      {text}
    </Link>
  );
}
