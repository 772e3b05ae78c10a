#!/usr/bin/env python3
"""Refuses any include between rooms that docs/design/rooms.md does not allow.

Also: every room has a README.md, declares in CMake only rooms it may include, and the plain rooms
(those loaded into strangers' processes) include no Abseil, Boost, Protobuf or OpenSSL.
"""

import argparse
import pathlib
import re
import sys
import tempfile

PLAIN = {"base", "device", "topology", "eccl", "infer", "vgpu"}
FOREIGN = re.compile(r'#\s*include\s*[<"](absl|boost|google/protobuf|openssl|grpcpp)/')
INCLUDE = re.compile(r'^\s*#\s*include\s*"([a-z_]+)/[^"]+"', re.MULTILINE)
# Header-only bridge between the plain rooms and Abseil; it is not compiled into base.
BRIDGE = "base/absl_status.h"


def read_table(page: str) -> dict[str, set[str] | None]:
    body = page.split("<!-- layers:begin -->")[1].split("<!-- layers:end -->")[0]
    table: dict[str, set[str] | None] = {}
    for line in body.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) != 2 or cells[0] in ("room", "") or set(cells[0]) == {"-"}:
            continue
        includes = {name.strip() for name in cells[1].split(",") if name.strip()}
        table[cells[0]] = None if "*" in includes else includes
    return table


def check(root: pathlib.Path) -> list[str]:
    table = read_table((root / "docs/design/rooms.md").read_text())
    errors: list[str] = []
    rooms = sorted(path.name for path in (root / "src").iterdir() if path.is_dir())
    for room in rooms:
        folder = root / "src" / room
        if room not in table:
            errors.append(f"src/{room}: not a room of docs/design/rooms.md")
            continue
        allowed = table[room]
        if not (folder / "README.md").is_file():
            errors.append(f"src/{room}: has no README.md")
        for path in sorted(folder.rglob("*")):
            if path.suffix not in (".h", ".cc"):
                continue
            text = path.read_text(errors="replace")
            place = path.relative_to(root)
            for included in sorted(set(INCLUDE.findall(text))):
                if included in (room, "base", "regatta") or included not in table:
                    continue
                if allowed is not None and included not in allowed:
                    errors.append(f"{place}: {room} may not include {included}")
            if room in PLAIN and str(place) != f"src/{BRIDGE}" and FOREIGN.search(text):
                errors.append(
                    f"{place}: a plain room may not include {FOREIGN.search(text).group(1)}"
                )
            if room in PLAIN and path.suffix == ".cc" and BRIDGE in text:
                errors.append(f"{place}: a plain room may not include {BRIDGE}")
        cmake = (
            (folder / "CMakeLists.txt").read_text() if (folder / "CMakeLists.txt").exists() else ""
        )
        if room in PLAIN and "PLAIN" not in cmake:
            errors.append(f"src/{room}/CMakeLists.txt: a plain room is declared PLAIN")
        for block in re.findall(r"\b(?:TEST_)?ROOMS\s+([a-z_\s]+)", cmake):
            for named in block.split():
                if named in table and allowed is not None and named not in allowed | {"base", room}:
                    errors.append(f"src/{room}/CMakeLists.txt: {room} may not depend on {named}")
    return errors


def check_the_checker(root: pathlib.Path) -> list[str]:
    """A guard that cannot fail guards nothing: plant each kind of offence and expect it refused."""
    table = (root / "docs/design/rooms.md").read_text()
    offences = {
        "store/a.cc": ('#include "flow/run.h"\n', "store may not include flow"),
        "eccl/a.cc": ("#include <absl/status/status.h>\n", "a plain room may not include absl"),
        "kitchen/a.cc": ("\n", "not a room"),
        "net/CMakeLists.txt": (
            "regatta_room(net ROOMS store SOURCES a.cc)",
            "may not depend on store",
        ),
    }
    missed = []
    for name, (text, expected) in offences.items():
        with tempfile.TemporaryDirectory() as folder:
            planted = pathlib.Path(folder)
            (planted / "docs/design").mkdir(parents=True)
            (planted / "docs/design/rooms.md").write_text(table)
            path = planted / "src" / name
            path.parent.mkdir(parents=True)
            path.write_text(text)
            if not any(expected in error for error in check(planted)):
                missed.append(f"layers_test itself: did not refuse {name}: {expected}")
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).parent.parent)
    root = parser.parse_args().root
    errors = check(root) + check_the_checker(root)
    for error in errors:
        print(error)
    print(f"layers_test: {len(errors)} offences")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
