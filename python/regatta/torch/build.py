"""Compiles the adapter between torch and libeccl for the torch that is loaded, and keeps it.

torch has no stable C++ interface for back ends, so an adapter fits one build of torch. It is kept
under a name made of torch's version, Python's, and a digest of the adapter's sources, libeccl's
header and the compiler's flags: another torch or another Regatta gets another one.

``REGATTA_TORCH_CACHE`` names the folder (default: ``regatta/torch`` in the user's cache folder);
``CXX`` the compiler (default ``c++``), with arguments if need be.
"""

import fcntl
import hashlib
import importlib.util
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import types
from concurrent.futures import ThreadPoolExecutor

import torch

__all__ = ["BuildError", "adapter", "load"]

_PACKAGE = pathlib.Path(__file__).resolve().parent
_SOURCES = _PACKAGE / "csrc"
_NAME = "regatta_eccl_c10d"
_HEADERS = "torch/csrc/distributed/c10d/ProcessGroup.hpp"


class BuildError(RuntimeError):
    """The adapter cannot be compiled here; the text says why and what helps."""


def _torch_is_debians() -> bool:
    return str(pathlib.Path(torch.__file__)).startswith("/usr/lib/python3/")


def _find_headers(name: str, places: list[pathlib.Path], package: str) -> None:
    if any((place / name).exists() for place in places):
        return
    wanted = f"install {package}" if _torch_is_debians() else "install torch anew"
    raise BuildError(f"the header {name} was not found; {wanted}")


def _eccl() -> pathlib.Path:
    installed = _PACKAGE.parent / "include"
    return installed if installed.exists() else _PACKAGE.parents[2] / "include"


def _includes() -> list[pathlib.Path]:
    root = pathlib.Path(torch.__file__).resolve().parent / "include"
    api = pathlib.Path("torch/csrc/api/include")
    python = pathlib.Path(sysconfig.get_paths()["include"])
    torchs = [root, root / api]
    if _torch_is_debians():
        torchs += [pathlib.Path("/usr/include"), pathlib.Path("/usr/include") / api]
    _find_headers(_HEADERS, torchs, "libtorch-dev")
    _find_headers("pybind11/pybind11.h", torchs, "pybind11-dev")
    if not (python / "Python.h").exists():
        raise BuildError(
            f"{python} has no Python.h; install python3-dev (or this Python's headers)"
        )
    # /usr/include is searched anyway, and must not come earlier than it does.
    return [path for path in [_eccl(), *torchs, python] if path != pathlib.Path("/usr/include")]


def _flags() -> list[str]:
    major = int(torch.__version__.split(".")[0])
    flags = ["-O2", "-fPIC", "-fvisibility=hidden", f"-std=c++{17 if major < 2 else 20}"]
    flags += [f"-DTORCH_EXTENSION_NAME={_NAME}"]
    flags += [f"-D_GLIBCXX_USE_CXX11_ABI={int(torch._C._GLIBCXX_USE_CXX11_ABI)}"]
    # Classes of torch's own pybind11 are visible only to modules made like it.
    for name in ("COMPILER_TYPE", "STDLIB", "BUILD_ABI"):
        value = getattr(torch._C, f"_PYBIND11_{name}", None)
        if value is not None and not _torch_is_debians():
            flags.append(f'-DPYBIND11_{name}="{value}"')
    return flags + [f"-I{path}" for path in _includes()]


def _libraries() -> list[str]:
    folder = pathlib.Path(torch.__file__).resolve().parent / "lib"
    names = ["c10", "torch_cpu", "torch", "torch_python"]
    return [f"-L{folder}", f"-Wl,-rpath,{folder}", *(f"-l{name}" for name in names), "-ldl"]


def _compiler() -> list[str]:
    command = shlex.split(os.environ.get("CXX", "c++"))
    if not command or shutil.which(command[0]) is None:
        named = command[0] if command else ""
        raise BuildError(
            f'there is no C++ compiler "{named}" here to make the adapter for torch '
            f"{torch.__version__} with; install g++, or set CXX"
        )
    return command


def _cache() -> pathlib.Path:
    named = os.environ.get("REGATTA_TORCH_CACHE")
    if named:
        return pathlib.Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "regatta" / "torch"


def _digest(flags: list[str]) -> str:
    digest = hashlib.sha256(repr(flags).encode())
    for path in [_eccl() / "regatta" / "eccl.h", *sorted(_SOURCES.iterdir())]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        shown = "\n".join((done.stderr or done.stdout).strip().splitlines()[:30])
        raise BuildError(
            f"the adapter for torch {torch.__version__} does not compile:\n{shown}\n"
            f"command: {shlex.join(command)}"
        )


def _compile(compiler: list[str], flags: list[str], target: pathlib.Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        sources = sorted(_SOURCES.glob("*.cc"))
        objects = [pathlib.Path(folder) / f"{source.stem}.o" for source in sources]
        commands = [
            [*compiler, *flags, "-c", str(source), "-o", str(built)]
            for source, built in zip(sources, objects, strict=True)
        ]
        # A compilation takes half a gigabyte and more.
        with ThreadPoolExecutor(min(os.cpu_count() or 1, 4)) as pool:
            list(pool.map(_run, commands))
        made = pathlib.Path(folder) / target.name
        _run([*compiler, "-shared", "-o", str(made), *map(str, objects), *_libraries()])
        made.rename(target)


def adapter() -> pathlib.Path:
    """Return the adapter's file, compiling it first if it is not there.

    One process of a machine compiles; others that ask meanwhile wait for it.
    """
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < (1, 13):
        raise BuildError(f"torch {torch.__version__} is too old; 1.13 is the oldest that will do")
    flags = _flags()
    tag = f"{torch.__version__}-{sys.implementation.cache_tag}-{_digest(flags)}"
    target = _cache() / f"{_NAME}-{tag}.so"
    if target.exists():
        return target
    compiler = _compiler()
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            print(
                f"regatta.torch: making the adapter for torch {torch.__version__} with "
                f"{compiler[0]} (once; one or two minutes)",
                file=sys.stderr,
                flush=True,
            )
            _compile(compiler, flags, target)
    return target


def load() -> types.ModuleType:
    """Load the adapter as a Python module, compiling it first if it is not there."""
    path = adapter()
    spec = importlib.util.spec_from_file_location(_NAME, path)
    if spec is None or spec.loader is None:
        raise BuildError(f"{path} is no Python module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
