#!/usr/bin/env python3
"""Rewrites a compile_commands.json of g++ for clang-tidy: no precompiled headers, no launcher.

usage: tidy_commands.py FROM TO
"""

import json
import pathlib
import shlex
import sys

# GCC's own; clang refuses or cannot use them.
GCC_ONLY = {"-fpch-preprocess", "-Winvalid-pch", "-Wno-error=tsan"}


def for_clang(command: str) -> str:
    words = shlex.split(command)
    start = next(
        i for i, word in enumerate(words) if pathlib.Path(word).name in ("c++", "g++", "cc", "gcc")
    )
    kept: list[str] = []
    arguments = iter(words[start:])
    for word in arguments:
        if word == "-include":
            header = next(arguments)
            if "cmake_pch" not in header:
                kept += [word, header]
        elif word not in GCC_ONLY:
            kept.append(word)
    return shlex.join(kept)


def main() -> int:
    source, target = (pathlib.Path(name) for name in sys.argv[1:3])
    entries = [
        {**entry, "command": for_clang(entry["command"])}
        for entry in json.loads(source.read_text())
        if "cmake_pch" not in entry["file"]
    ]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(entries, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
