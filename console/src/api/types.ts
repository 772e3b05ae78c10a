// Short names for the schemas of docs/openapi.yaml. Nothing here is written by hand twice.
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Run = Schemas["Run"];
export type RunDetail = Schemas["RunDetail"];
export type RunPage = Schemas["RunPage"];
export type RunState = Schemas["RunState"];
export type Step = Schemas["Step"];
export type StepDetail = Schemas["StepDetail"];
export type StepState = Schemas["StepState"];
export type Artifact = Schemas["Artifact"];
export type CacheReport = Schemas["CacheReport"];
export type RankStatus = Schemas["RankStatus"];
export type LogRange = Schemas["LogRange"];
export type MetricPoint = Schemas["MetricPoint"];
export type MetricEvent = Schemas["MetricEvent"];
export type MetricSeries = Schemas["MetricSeriesList"]["items"][number];
export type Session = Schemas["Session"];
export type Topology = Schemas["Topology"];
export type TopologyPart = Schemas["TopologyPart"];
export type TopologyLink = Schemas["TopologyLink"];
