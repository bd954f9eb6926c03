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
