// Prints what the browser loads, gzipped, and fails if the first page has grown
// past its limit: the entry, everything it imports at once, and the style sheet.
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
const first = [...sizes.keys()].filter((name) => html.includes(name));
for (const [name, kB] of [...sizes].sort((a, b) => b[1] - a[1])) {
  console.log(`${kB.toFixed(1).padStart(8)} kB gzip  ${name}${first.includes(name) ? "  (first page)" : ""}`);
}
const total = first.reduce((sum, name) => sum + sizes.get(name), 0);
console.log(`${total.toFixed(1).padStart(8)} kB gzip  first page, limit ${limitKB} kB`);
if (total > limitKB) process.exit(1);
