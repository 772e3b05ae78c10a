#pragma once

#include <map>
#include <string>

namespace regatta::job {

// The folder to put in PYTHONPATH so that `import regatta` finds the package that belongs to this
// program: $REGATTA_PYTHONPATH; <prefix>/lib/regatta/python beside <prefix>/bin; or `python` of the
// source tree whose build folder this program lies in. "" when there is none: the package is then
// expected to be installed for the interpreter.
std::string RegattaPythonPath();

// Puts it in front of `env`'s PYTHONPATH, unless it is there.
void AddRegattaPythonPath(std::map<std::string, std::string>* env);

}  // namespace regatta::job
