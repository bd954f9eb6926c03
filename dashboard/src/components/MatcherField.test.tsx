import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MatcherField } from "./MatcherField";

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

function setup(value = "", refusal?: string) {
  const changed = vi.fn();
  const view = render(<MatcherField label="Labels" value={value} onChange={changed} refusal={refusal} />);
  const field = screen.getByLabelText<HTMLInputElement>("Labels");
  return { changed, field, ...view };
}
const type = (field: HTMLElement, value: string) => fireEvent.change(field, { target: { value } });

describe("MatcherField", () => {
  it("filters a moment after the last key, and once", () => {
    const { changed, field } = setup();
    type(field, "a=b");
    type(field, "a=bc ");
    expect(changed).not.toHaveBeenCalled();
    vi.runAllTimers();
    expect(changed.mock.calls).toEqual([["a=bc"]]);
  });
  it("says what is wrong and filters by nothing that cannot be read", () => {
    const { changed, field } = setup();
    type(field, "a=b");
    type(field, 'a="b');
    vi.runAllTimers();
    expect(screen.getByRole("alert").textContent).toMatch(/closing quote/);
    expect(field.getAttribute("aria-invalid")).toBe("true");
    expect(changed).not.toHaveBeenCalled();
  });
  it("shows what the server refused until it is changed", () => {
    const { field } = setup("a=b", "no such thing");
    expect(screen.getByRole("alert").textContent).toBe("no such thing");
    type(field, "a=c");
    expect(screen.queryByRole("alert")).toBeNull();
  });
  it("follows a value that changes from outside", () => {
    const { field, rerender } = setup("a=b");
    type(field, "a=bcd");
    rerender(<MatcherField label="Labels" value="x=y" onChange={() => undefined} />);
    expect(field.value).toBe("x=y");
  });
});
