#pragma once

namespace regatta::job {

// `regatta container PLAN -- COMMAND...`: what a shim starts instead of the command of a replica
// that has an image. Mounts the image's files where only this process and its children see them,
// lets runc start the command there with this process's environment, inputs and outputs, and ends
// as it ends: with its exit code, or by its signal. 125, with the reason on standard error, when it
// cannot be started.
int ContainerMain(int argc, char** argv);

}  // namespace regatta::job
