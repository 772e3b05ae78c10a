"""``python -m regatta.hvd.shim``: run a program for which ``horovod`` is this package's."""

import pathlib
import runpy
import sys

from regatta.hvd import shim

_USAGE = (
    "usage: python -m regatta.hvd.shim (--path | SCRIPT [ARGUMENT...] | -m MODULE [ARGUMENT...])"
)


def main() -> int:
    arguments = sys.argv[1:]
    if arguments == ["--path"]:
        print(shim.path())
        return 0
    if not arguments or arguments[0] in ("-h", "--help") or arguments == ["-m"]:
        print(_USAGE, file=sys.stderr)
        return 2
    if arguments[0] == "-m":
        shim.install()
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        sys.path[0] = str(pathlib.Path(arguments[0]).resolve().parent)
        shim.install()
        runpy.run_path(arguments[0], run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main())
