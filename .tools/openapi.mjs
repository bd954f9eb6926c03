// Finishes the OpenAPI document that .tools/generate made of proto/: what the
// gateway does and the contracts' comments cannot say.
//
// Usage: node .tools/openapi.mjs DOCUMENT
import { readFileSync, writeFileSync } from "node:fs";

const file = process.argv[2];
const doc = JSON.parse(readFileSync(file, "utf8"));

doc.info = {
  title: "esmon REST interface",
  description:
    "Metrics in and out, the registry of agents, and how the platform is. Everything is JSON. " +
    "Prometheus' own HTTP API is beside it, below /prometheus/api/v1.",
  version: "v1",
};

// The live WebSocket is a call that has no path in the contracts.
const watch = take("/esmon.live.v1.LiveService/Watch").post;
for (const path of Object.keys(doc.paths)) {
  if (!path.startsWith("/api/")) delete doc.paths[path]; // for agents, over gRPC
}
doc.paths["/api/v1/live"] = {
  get: {
    summary: watch.summary,
    description:
      "A WebSocket. The client sends WatchRequest messages and gets WatchResponse messages, " +
      "both as JSON text; one socket carries several watches.",
    operationId: watch.operationId,
    tags: watch.tags,
    responses: {
      101: { description: "The socket is open. Each message is one of these, by who sends it.", content: messages() },
      default: {},
    },
  },
};

// errorAnswer in gateway/errors.go; a test there holds them together.
doc.components.schemas.Error = {
  type: "object",
  description: "Error is the answer to a call that failed.",
  required: ["code", "kind", "reason", "message"],
  properties: {
    code: { type: "integer", format: "int32", description: "Number of the gRPC status." },
    kind: {
      type: "string",
      enum: ["internal", "invalid", "not_found", "conflict", "denied", "unauthenticated", "exhausted", "unavailable"],
      description: "Who can act on it.",
    },
    reason: { type: "string", description: "Stable id, for programs." },
    message: { type: "string", description: "What is wrong, where and what to do, for people." },
  },
};
const failure = {
  description: "What is wrong and what to do.",
  content: { "application/json": { schema: { $ref: ref("Error") } } },
};

for (const methods of Object.values(doc.paths)) {
  for (const operation of Object.values(methods)) operation.responses.default = failure;
}
const tagged = new Set(Object.values(doc.paths).flatMap((m) => Object.values(m).flatMap((o) => o.tags)));
doc.tags = doc.tags.filter((tag) => tagged.has(tag.name));
prune();
sortPaths();
writeFileSync(file, JSON.stringify(doc, null, 4) + "\n");

/** Takes a path out of the document. */
function take(path) {
  const methods = doc.paths[path];
  if (!methods) throw new Error(`the contracts have no ${path}`);
  delete doc.paths[path];
  return methods;
}

function messages() {
  const oneOf = ["WatchRequest", "WatchResponse"].map((name) => ({ $ref: ref(name) }));
  return { "application/json": { schema: { oneOf } } };
}

function ref(name) {
  return `#/components/schemas/${name}`;
}

/** Removes the types that no path leads to. */
function prune() {
  const used = new Set();
  const visit = (value) => {
    if (typeof value !== "object" || value === null) return;
    const name = typeof value.$ref === "string" ? value.$ref.slice(ref("").length) : undefined;
    if (name !== undefined && !used.has(name)) {
      used.add(name);
      visit(doc.components.schemas[name]);
    }
    for (const inner of Object.values(value)) visit(inner);
  };
  visit(doc.paths);
  const kept = Object.entries(doc.components.schemas).filter(([name]) => used.has(name));
  doc.components.schemas = Object.fromEntries(kept.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function sortPaths() {
  doc.paths = Object.fromEntries(Object.entries(doc.paths).sort(([a], [b]) => (a < b ? -1 : 1)));
}
