#!/usr/bin/env python3
"""Checks the libraries that other people's processes load.

Each shows only symbols of its own prefix, has its own SONAME, and needs no library that may clash
with one of the host process: no Abseil, Boost, Protobuf, gRPC, OpenSSL, curl or hwloc.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

# hwloc may be in the host process in another version, or on no machine: it is loaded by name.
FOREIGN = re.compile(
    r"\b(libabsl|libboost|libproto|libgrpc|libssl|libcrypto|libcurl|libhwloc)[\w.+-]*"
)
# Library file, SONAME, prefix of every symbol it may show.
LIBRARIES = [
    ("src/eccl/libeccl.so", "libeccl.so.0", "eccl"),
    ("src/topology/libeccl_topo.so", "libeccl_topo.so.0", "eccl_topo_"),
]


def output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def check(path: pathlib.Path, soname: str, prefix: str) -> list[str]:
    errors = []
    symbols = 0
    for line in output("nm", "-D", "--defined-only", str(path)).splitlines():
        kind, name = line.split()[-2:]
        if kind == "A":  # the name of the version itself
            continue
        symbols += 1
        if not name.startswith(prefix):
            errors.append(f"{path.name}: shows {name}; only {prefix}* may be visible")
    if symbols == 0:
        errors.append(f"{path.name}: shows no symbol at all")
    found = re.search(r"SONAME.*\[(.*)\]", output("readelf", "-d", str(path)))
    if not found or found.group(1) != soname:
        errors.append(f"{path.name}: SONAME is {found and found.group(1)}, expected {soname}")
    for name in sorted(set(m.group(0) for m in FOREIGN.finditer(output("ldd", str(path))))):
        errors.append(f"{path.name}: needs {name}, which may clash with the host process's own")
    return errors


def check_the_checker() -> list[str]:
    """Plants each kind of offence and expects it refused."""
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        (place / "stray.c").write_text("int ecclFine(void) { return 0; }\nint stray;\n")
        (place / "crypto.c").write_text("int ecclFine(void) { return 0; }\n")
        output(
            "cc",
            "-shared",
            "-fPIC",
            "-o",
            str(place / "libbad.so"),
            str(place / "stray.c"),
            "-Wl,-soname,libother.so.1",
        )
        # A stand-in with the foreign name: the machine need not have the real one.
        foreign = place / "libcrypto.so.9"
        output(
            "cc",
            "-shared",
            "-fPIC",
            "-o",
            str(foreign),
            str(place / "crypto.c"),
            "-Wl,-soname,libcrypto.so.9",
        )
        output(
            "cc",
            "-shared",
            "-fPIC",
            "-o",
            str(place / "libneeds.so"),
            str(place / "crypto.c"),
            "-Wl,--no-as-needed",
            str(foreign),
        )
        bad = check(place / "libbad.so", "libgood.so.0", "eccl")
        needs = check(place / "libneeds.so", "libneeds.so.0", "eccl")
    for expected, errors in [
        ("shows stray", bad),
        ("SONAME is libother.so.1", bad),
        ("needs libcrypto", needs),
    ]:
        if not any(expected in error for error in errors):
            missed.append(f"libraries_test itself: did not report: {expected}")
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True, help="the build folder")
    build = parser.parse_args().build
    errors = check_the_checker()
    for file, soname, prefix in LIBRARIES:
        path = build / file
        errors += check(path, soname, prefix) if path.exists() else [f"{path}: was not built"]
    for error in errors:
        print(error)
    print(f"libraries_test: {len(errors)} offences")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
