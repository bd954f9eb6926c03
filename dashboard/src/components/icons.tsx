import { createSvgIcon } from "@mui/material/utils";

// The few icons that the page uses, drawn as lines on a grid of 24.
const stroke = {
  fill: "none",
  stroke: "currentColor",
  strokeWidth: 1.8,
  strokeLinecap: "round",
  strokeLinejoin: "round",
} as const;

export const HostsIcon = createSvgIcon(
  <path {...stroke} d="M4 5h16v6H4zM4 13h16v6H4zM8 8h.01M8 16h.01M12 8h4M12 16h4" />,
  "Hosts",
);
export const AlertIcon = createSvgIcon(
  <path
    {...stroke}
    d="M12 3.5a6 6 0 0 0-6 6c0 5-2 6.5-2 6.5h16s-2-1.5-2-6.5a6 6 0 0 0-6-6zM10 19.5a2 2 0 0 0 4 0"
  />,
  "Alert",
);
export const RuleIcon = createSvgIcon(
  <path {...stroke} d="M5 4h14v16H5zM8.5 9h7M8.5 13h7M8.5 17h4" />,
  "Rule",
);
export const SilenceIcon = createSvgIcon(
  <path
    {...stroke}
    d="M6.5 16C5.3 16 4 16 4 16s2-1.5 2-6.5c0-.9.2-1.7.5-2.4M9 4.3a6 6 0 0 1 9 5.2c0 2.5.5 4.1 1 5.1M10 19.5a2 2 0 0 0 4 0M4 4l16 16M10 16h6"
  />,
  "Silence",
);
export const ReceiverIcon = createSvgIcon(
  <path {...stroke} d="M4 12l16-7-5 15-3.5-6zM11.5 14L20 5" />,
  "Receiver",
);
export const LogIcon = createSvgIcon(
  <path {...stroke} d="M4 6h.01M8 6h12M4 12h.01M8 12h12M4 18h.01M8 18h12" />,
  "Log",
);
export const PersonIcon = createSvgIcon(
  <path
    {...stroke}
    d="M12 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM5 20c.5-4 3.3-5.5 7-5.5s6.5 1.5 7 5.5"
  />,
  "Person",
);
export const PlatformIcon = createSvgIcon(<path {...stroke} d="M3 12h4l3-7 4 14 3-7h4" />, "Platform");
export const MenuIcon = createSvgIcon(<path {...stroke} d="M4 7h16M4 12h16M4 17h16" />, "Menu");
export const SearchIcon = createSvgIcon(
  <path {...stroke} d="M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM20 20l-4-4" />,
  "Search",
);
export const CloseIcon = createSvgIcon(<path {...stroke} d="M6 6l12 12M18 6L6 18" />, "Close");
export const ClockIcon = createSvgIcon(
  <path {...stroke} d="M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5l3 2" />,
  "Clock",
);
export const ChevronIcon = createSvgIcon(<path {...stroke} d="M7 10l5 5 5-5" />, "Chevron");
export const LeftIcon = createSvgIcon(<path {...stroke} d="M14 7l-5 5 5 5" />, "Left");
export const RightIcon = createSvgIcon(<path {...stroke} d="M10 7l5 5-5 5" />, "Right");
export const PauseIcon = createSvgIcon(<path {...stroke} d="M9 6v12M15 6v12" />, "Pause");
export const PlayIcon = createSvgIcon(<path {...stroke} d="M8 5.5v13l10-6.5z" />, "Play");
export const SunIcon = createSvgIcon(
  <path
    {...stroke}
    d="M12 16.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4"
  />,
  "Sun",
);
export const MoonIcon = createSvgIcon(
  <path {...stroke} d="M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z" />,
  "Moon",
);
export const AutoIcon = createSvgIcon(
  <>
    <path {...stroke} d="M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z" />
    <path d="M12 3a9 9 0 0 1 0 18z" fill="currentColor" />
  </>,
  "Auto",
);
