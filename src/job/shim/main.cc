#include "job/shim/shim.h"

int main(int argc, char** argv) { return regatta::job::shim::ShimMain(argc, argv); }
