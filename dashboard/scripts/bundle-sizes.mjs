// Prints what the browser loads, gzipped, and fails if the first page has grown
// past its limit: the entry, the list of hosts, and everything that these import.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const limitKB = 240;
const dist = join(import.meta.dirname, "..", "dist");
const sizes = new Map();
for (const name of readdirSync(join(dist, "assets"))) {
  if (!/\.(js|css)$/.test(name)) continue;
  sizes.set(name, gzipSync(readFileSync(join(dist, "assets", name))).length / 1000);
}
const html = readFileSync(join(dist, "index.html"), "utf8");
const first = new Set();
for (const name of sizes.keys()) if (html.includes(name) || name.startsWith("HostsPage-")) load(name);

function load(name) {
  if (first.has(name)) return;
  first.add(name);
  const code = readFileSync(join(dist, "assets", name), "utf8");
  for (const [, imported] of code.matchAll(/(?:from|import)\s*["']\.\/([^"']+)["']/g)) load(imported);
}

for (const [name, kB] of [...sizes].sort((a, b) => b[1] - a[1])) {
  console.log(`${kB.toFixed(1).padStart(8)} kB gzip  ${name}${first.has(name) ? "  (first page)" : ""}`);
}
const total = [...first].reduce((sum, name) => sum + sizes.get(name), 0);
console.log(`${total.toFixed(1).padStart(8)} kB gzip  first page, limit ${limitKB} kB`);
if (total > limitKB) process.exit(1);
