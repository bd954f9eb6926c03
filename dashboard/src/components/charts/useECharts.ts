import { useEffect, useRef, useState, type RefObject } from "react";
import type { Chart, ChartOption } from "./engine";

/** How long to wait before the library is asked for again. */
const LOAD_AGAIN_MS = 5_000;

/**
 * Draws the option into the element, again whenever it changes. The library is
 * loaded with the first chart. An option of undefined draws nothing yet.
 */
export function useECharts(element: RefObject<HTMLElement | null>, option: ChartOption | undefined): void {
  const [chart, setChart] = useState<Chart>();
  const wanted = option !== undefined;

  useEffect(() => {
    const target = element.current;
    if (!target || !wanted) return undefined;
    let ended = false;
    let made: Chart | undefined;
    const observer = new ResizeObserver(() => made?.resize());
    let again: ReturnType<typeof setTimeout> | undefined;
    const load = () => {
      import("./engine").then(
        ({ init }) => {
          if (ended) return;
          made = init(target, undefined, { renderer: "canvas" });
          observer.observe(target);
          setChart(made);
        },
        () => {
          // The server is away; the page says so elsewhere.
          if (!ended) again = setTimeout(load, LOAD_AGAIN_MS);
        },
      );
    };
    load();
    return () => {
      ended = true;
      clearTimeout(again);
      observer.disconnect();
      made?.dispose();
      setChart(undefined);
    };
  }, [element, wanted]);

  useEffect(() => {
    // Lines that are gone must go: the list of lines is replaced, not merged.
    if (chart && option && !chart.isDisposed())
      chart.setOption(option, { replaceMerge: ["series"], lazyUpdate: true });
  }, [chart, option]);
}

/** Tells whether the element has come near the visible part of the page. */
export function useSeen(element: RefObject<HTMLElement | null>): boolean {
  const [seen, setSeen] = useState(false);
  const done = useRef(false);
  useEffect(() => {
    const target = element.current;
    if (!target || done.current) return undefined;
    const observer = new IntersectionObserver(
      (entries) => {
        if (!entries.some((e) => e.isIntersecting)) return;
        done.current = true;
        setSeen(true);
        observer.disconnect();
      },
      { rootMargin: "300px" },
    );
    observer.observe(target);
    return () => observer.disconnect();
  }, [element]);
  return seen;
}
