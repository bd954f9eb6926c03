// The contract's types under short names. They are generated from the proto
// files; nothing else in the page says what the server answers.

import type { components, paths } from "../../../gen/ts/schema";

export type { paths };

type Schemas = components["schemas"];

export type Agent = Schemas["Agent"];
export type AgentState = Schemas["AgentState"];
export type PlatformStatus = Schemas["GetStatusResponse"];
export type Partition = Schemas["Partition"];
export type WireSeries = Schemas["Series"];
export type WireError = Schemas["Error"];
