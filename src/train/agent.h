#pragma once

namespace regatta::train {

// `regatta rank-agent`, which the launcher starts on each host: runs ranks, passes on what they
// write and how they end, and ends all of them when the launcher stops talking to it. It speaks
// docs/formats/rank-agent.md over its standard input and output. Returns its exit code.
int AgentMain();

}  // namespace regatta::train
