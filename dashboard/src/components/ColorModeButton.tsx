import IconButton from "@mui/material/IconButton";
import { useColorScheme } from "@mui/material/styles";
import Tooltip from "@mui/material/Tooltip";
import { AutoIcon, MoonIcon, SunIcon } from "./icons";

const next = { system: "light", light: "dark", dark: "system" } as const;
const names = { system: "as the system", light: "light", dark: "dark" };
const icons = { system: AutoIcon, light: SunIcon, dark: MoonIcon };

/** Goes through the ways to show the page: as the system, light, dark. */
export function ColorModeButton() {
  const { mode = "system", setMode } = useColorScheme();
  const Icon = icons[mode];
  const label = `Colours: ${names[mode]}. Switch to ${names[next[mode]]}`;
  return (
    <Tooltip title={label}>
      <IconButton aria-label={label} onClick={() => setMode(next[mode])}>
        <Icon fontSize="small" />
      </IconButton>
    </Tooltip>
  );
}
