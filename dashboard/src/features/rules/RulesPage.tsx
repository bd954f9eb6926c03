import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Checkbox from "@mui/material/Checkbox";
import FormControlLabel from "@mui/material/FormControlLabel";
import Skeleton from "@mui/material/Skeleton";
import { useMemo } from "react";
import { Link as RouterLink, useSearchParams } from "react-router";
import { messageOf } from "../../api/errors";
import type { RuleList } from "../../api/schema";
import { Notice } from "../../components/Notice";
import { PageHead } from "../../components/PageHead";
import { Problems } from "../../components/Problems";
import { SearchField } from "../../components/SearchField";
import { formatCount, formatMoment } from "../../lib/format";
import { timestamp } from "../../lib/proto-json";
import { useNow } from "../../lib/useNow";
import { usePageTitle } from "../../lib/usePageTitle";
import { groupRules, type RuleFilter } from "./groups";
import { RuleGroupPanel } from "./RuleGroupPanel";
import { useRules } from "./useRules";

/** The rules that are evaluated, by group. */
export function RulesPage() {
  usePageTitle("Rules");
  const [params, setParams] = useSearchParams();
  const filter = { text: params.get("q") ?? "", noteworthy: params.get("noteworthy") === "1" };
  const change = ({ text, noteworthy }: RuleFilter) =>
    setParams({ ...(text && { q: text }), ...(noteworthy && { noteworthy: "1" }) }, { replace: true });
  const list = useRules();
  return (
    <>
      <PageHead title="Rules" marks={<Loaded list={list.data} />}>
        <FormControlLabel
          control={
            <Checkbox
              size="small"
              checked={filter.noteworthy}
              onChange={(e) => change({ ...filter, noteworthy: e.target.checked })}
            />
          }
          label="Only failing, firing or held"
          sx={{ mr: 0, "& .MuiTypography-root": { fontSize: "0.8125rem" } }}
        />
        <SearchField
          label="Filter by name, group or file"
          value={filter.text}
          onChange={(text) => change({ ...filter, text })}
        />
        <Button variant="contained" component={RouterLink} to="/rules/try">
          Try a rule
        </Button>
      </PageHead>
      <Problems problems={list.data?.problems ?? []} />
      {list.isError && !list.data ? (
        <Notice
          alert
          title="The rules could not be loaded"
          minHeight={320}
          action={{ label: "Try again", run: () => void list.refetch() }}
        >
          {messageOf(list.error)}
        </Notice>
      ) : list.data ? (
        <Groups list={list.data} filter={filter} onClear={() => change({ text: "", noteworthy: false })} />
      ) : (
        <Skeleton variant="rounded" height={320} />
      )}
    </>
  );
}

function Loaded({ list }: { list: RuleList | undefined }) {
  const now = useNow(10_000);
  const loaded = timestamp(list?.loadTime);
  return (
    <Box role="status" sx={{ color: "text.secondary", fontSize: "0.8125rem" }}>
      {list && formatCount(list.rules?.length ?? 0)}
      {loaded !== undefined && `, read ${formatMoment(loaded, now)}`}
    </Box>
  );
}

function Groups({ list, filter, onClear }: { list: RuleList; filter: RuleFilter; onClear: () => void }) {
  const { text, noteworthy } = filter;
  const now = useNow(5000);
  const rules = list.rules;
  const groups = useMemo(() => groupRules(rules ?? [], { text, noteworthy }), [rules, text, noteworthy]);
  if (!rules?.length) {
    return (
      <Notice title="No rules yet" minHeight={320}>
        Rules are files in the configuration directory of the server: <code>rules/*.yaml</code>. The catalogue
        that comes with the platform is switched on in its configuration.
      </Notice>
    );
  }
  if (groups.length === 0) {
    return (
      <Notice title="No rule found" minHeight={320} action={{ label: "Show all rules", run: onClear }}>
        None is as the filters want it.
      </Notice>
    );
  }
  return (
    <Box sx={{ display: "grid", gap: 1.5 }}>
      {groups.map((group) => (
        <RuleGroupPanel key={`${group.file} ${group.name}`} group={group} now={now} />
      ))}
    </Box>
  );
}
