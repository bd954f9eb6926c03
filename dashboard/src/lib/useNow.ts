import { useEffect, useState } from "react";
import { serverNow } from "../api/reach";

/** Returns the server's time, again every period; with period 0 it stands still. */
export function useNow(period: number): number {
  const [now, setNow] = useState(serverNow);
  useEffect(() => {
    if (period === 0) return undefined;
    const timer = setInterval(() => setNow(serverNow()), period);
    return () => clearInterval(timer);
  }, [period]);
  return now;
}
