"""Where the C libraries of this package are."""

import os
import pathlib


def find_library(name: str, room: str, variable: str) -> pathlib.Path:
    """Return the file of a library; OSError says where it was looked for.

    Beside this package (a wheel, the Debian package), then where an environment variable says, then
    in the build folders of a source tree.
    """
    package = pathlib.Path(__file__).resolve().parent
    candidates = [package / "lib" / f"{name}.so.0", package / "lib" / f"{name}.so"]
    named = os.environ.get(variable)
    if named:
        candidates.append(pathlib.Path(named))
    tree = package.parent.parent / "build"
    candidates += [tree / preset / "src" / room / f"{name}.so" for preset in ("release", "debug")]
    path = next((path for path in candidates if path.exists()), None)
    if path is None:
        places = ", ".join(str(path) for path in candidates)
        raise OSError(f"{name} was not found; build it or set {variable} ({places})")
    return path
