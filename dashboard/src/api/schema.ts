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

export type Alert = Schemas["Alert"];
export type AlertState = Schemas["AlertState"];
export type AlertEvent = Schemas["AlertEvent"];
export type AlertDetail = Schemas["GetAlertResponse"];
export type Acknowledgement = Schemas["AcknowledgeRequest"];
export type AlertGroup = Schemas["AlertGroup"];
export type Graph = Schemas["Graph"];
export type Episode = Schemas["Episode"];
export type Rule = Schemas["Rule"];
export type RuleList = Schemas["ListRulesResponse"];
export type Problem = Schemas["Problem"];
export type CheckedRules = Schemas["CheckRulesResponse"];
export type BacktestRequest = Schemas["BacktestRuleRequest"];
export type BacktestAnswer = Schemas["BacktestRuleResponse"];
export type Backtest = Schemas["Backtest"];
export type Silence = Schemas["Silence"];
export type SilenceState = Schemas["SilenceState"];
export type SilencePreview = Schemas["PreviewSilenceResponse"];
export type Receiver = Schemas["Receiver"];
export type ReceiverTest = Schemas["TestReceiverResponse"];
export type Route = Schemas["Route"];
export type RouteMatch = Schemas["RouteMatch"];
export type Notification = Schemas["Notification"];
export type NotificationState = Schemas["NotificationState"];
export type OnCall = Schemas["OnCall"];
export type Shift = Schemas["Shift"];
export type Override = Schemas["Override"];
