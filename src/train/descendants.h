#pragma once

namespace regatta::train {

// Sends a signal to every process below this one, also to those that left their group or whose
// parent died (where this process is their subreaper); returns how many there were.
int SignalDescendants(int signal);

}  // namespace regatta::train
