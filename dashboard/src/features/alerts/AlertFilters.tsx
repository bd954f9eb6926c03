import Box from "@mui/material/Box";
import Checkbox from "@mui/material/Checkbox";
import FormControlLabel from "@mui/material/FormControlLabel";
import MenuItem from "@mui/material/MenuItem";
import Select from "@mui/material/Select";
import { MatcherField } from "../../components/MatcherField";
import { ToggleSet } from "../../components/ToggleSet";
import { formatCount } from "../../lib/format";
import { SEVERITIES, type AlertView } from "./alert-view";
import { CONDITION_NAMES, CONDITIONS, STATES } from "../../components/alerts/words";

interface Props {
  view: AlertView;
  counts: Readonly<Record<string, number>> | undefined;
  refusal: string | undefined;
  onChange: (view: AlertView, replace?: boolean) => void;
}

const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);

/** What to list: matchers, severity, state, and what else is true of alerts. */
export function AlertFilters({ view, counts, refusal, onChange }: Props) {
  return (
    <Box
      role="search"
      aria-label="Filter alerts"
      sx={{ display: "flex", flexWrap: "wrap", alignItems: "flex-start", gap: 1, mb: 1.5 }}
    >
      <MatcherField
        label="Filter by labels"
        value={view.matchers}
        refusal={refusal}
        onChange={(matchers) => onChange({ ...view, matchers }, true)}
      />
      <ToggleSet
        label="State"
        options={STATES}
        names={capital}
        chosen={view.states}
        counts={counts}
        onChange={(states) => onChange({ ...view, states })}
      />
      <ToggleSet
        label="Severity"
        options={SEVERITIES}
        names={capital}
        chosen={SEVERITIES.filter((s) => view.severities.includes(s))}
        onChange={(severities) => onChange({ ...view, severities })}
      />
      <Select
        multiple
        displayEmpty
        size="small"
        value={[...view.conditions]}
        onChange={(e) => {
          const { value } = e.target;
          onChange({ ...view, conditions: CONDITIONS.filter((c) => value.includes(c)) });
        }}
        renderValue={(chosen) =>
          chosen.length === 0 ? "Any condition" : chosen.map((c) => CONDITION_NAMES[c]).join(", ")
        }
        inputProps={{ "aria-label": "Condition" }}
        sx={small}
      >
        {CONDITIONS.map((c) => (
          <MenuItem key={c} value={c}>
            <Checkbox size="small" checked={view.conditions.includes(c)} sx={{ p: 0, mr: 1 }} />
            {CONDITION_NAMES[c]}
            {counts?.[c] !== undefined && (
              <Box component="span" sx={{ ml: "auto", pl: 2, color: "text.secondary" }}>
                {formatCount(counts[c])}
              </Box>
            )}
          </MenuItem>
        ))}
      </Select>
      <Select
        displayEmpty
        size="small"
        value={view.group}
        onChange={(e) => onChange({ ...view, group: e.target.value })}
        inputProps={{ "aria-label": "Group by" }}
        sx={small}
      >
        <MenuItem value="">Not grouped</MenuItem>
        <MenuItem value="alertname">By alert</MenuItem>
        <MenuItem value="host_name">By host</MenuItem>
      </Select>
      <FormControlLabel
        control={
          <Checkbox
            size="small"
            checked={view.active}
            onChange={(e) => onChange({ ...view, active: e.target.checked })}
          />
        }
        label="Unattended only"
        title="Leaves out what is silenced, inhibited or acknowledged"
        sx={{ mr: 0, "& .MuiTypography-root": { fontSize: "0.8125rem" } }}
      />
    </Box>
  );
}

const small = {
  bgcolor: "background.paper",
  fontSize: "0.8125rem",
  "& .MuiSelect-select": { py: 0.625 },
} as const;
