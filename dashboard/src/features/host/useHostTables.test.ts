import { describe, expect, it } from "vitest";
import type { Labels, SeriesData } from "../../lib/labels";
import { consumersOf, filesystemsOf, shareUsed, topConsumers } from "./useHostTables";

const one = (labels: Labels, v: number): SeriesData => ({ labels, t: [1], v: [v] });

describe("the processes that use most", () => {
  const of = (program: string) => ({ process_executable_name: program, process_owner: "root" });
  const all = consumersOf({
    cpu: [one(of("java"), 0.2), one(of("node"), 0.7)],
    memory: [one(of("java"), 900), one(of("node"), 300), one(of("new"), 100), one(of("newer"), 200)],
    threads: [one(of("java"), 40)],
    count: [one(of("java"), 2)],
  });
  it("joins what is known of each", () => {
    expect(all.find((c) => c.program === "java")).toEqual({
      program: "java",
      owner: "root",
      cpu: 0.2,
      memory: 900,
      threads: 40,
      count: 2,
    });
    expect(all.find((c) => c.program === "new")?.cpu).toBeUndefined();
  });
  it("puts those whose use is not known yet last, the largest first", () => {
    expect(topConsumers(all, "cpu").map((c) => c.program)).toEqual(["node", "java", "newer", "new"]);
    expect(topConsumers(all, "memory").map((c) => c.program)).toEqual(["java", "node", "newer", "new"]);
  });
  it("names ten of many", () => {
    const many = Array.from({ length: 30 }, (_, i) => one(of(`p${i}`), i));
    const top = topConsumers(consumersOf({ cpu: many, memory: [], threads: [], count: [] }), "cpu");
    expect(top).toHaveLength(10);
    expect(top[0]?.program).toBe("p29");
  });
});

describe("filesystems", () => {
  const of = (mountpoint: string) => ({
    system_filesystem_mountpoint: mountpoint,
    system_device: "/dev/sda1",
    system_filesystem_type: "ext4",
  });
  const list = filesystemsOf({
    used: [one(of("/"), 30), one(of("/data"), 90)],
    free: [one(of("/"), 70), one(of("/data"), 10)],
    inodesUsed: [one(of("/"), 1)],
    inodesFree: [one(of("/"), 3)],
    stuck: [one(of("/net"), 1), one(of("/"), 0)],
    readOnly: [one(of("/"), 1), one(of("/data"), 0)],
  });
  it("names first those that do not answer, then the fullest", () => {
    expect(list.map((fs) => [fs.mountpoint, shareUsed(fs)])).toEqual([
      ["/net", undefined],
      ["/data", 0.9],
      ["/", 0.3],
    ]);
    expect(list[0]).toMatchObject({ stuck: true, inodes: undefined, used: undefined });
  });
  it("tells the share of the inodes, and what cannot be written", () => {
    expect(list[2]).toMatchObject({ inodes: 0.25, readOnly: true, stuck: false });
  });
});
