#!/usr/bin/env python3
"""Puts a folder of files into the program: each compressed, in one assembly file with a table.

usage: embed_files.py FOLDER OUTPUT_FOLDER

Writes OUTPUT_FOLDER/{NNN.gz,console_files.S,console_files.cc}. The same input gives the same bytes.
"""

import gzip
import hashlib
import pathlib
import sys

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}


def main() -> int:
    folder = pathlib.Path(sys.argv[1])
    output = pathlib.Path(sys.argv[2])
    output.mkdir(parents=True, exist_ok=True)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if folder / "index.html" not in files:
        print(f"{folder} has no index.html", file=sys.stderr)
        return 1
    assembly = ['.section .rodata, "a"\n']
    declarations = []
    rows = []
    for number, path in enumerate(files):
        data = path.read_bytes()
        packed = output / f"{number:03}.gz"
        packed.write_bytes(gzip.compress(data, 9, mtime=0))
        symbol = f"regatta_console_{number:03}"
        assembly.append(
            f".hidden {symbol}\n.hidden {symbol}_end\n"
            f".global {symbol}\n.global {symbol}_end\n"
            f'{symbol}:\n.incbin "{packed}"\n{symbol}_end:\n'
        )
        declarations.append(f"extern const unsigned char {symbol}[], {symbol}_end[];\n")
        media_type = MEDIA_TYPES.get(path.suffix, "application/octet-stream")
        etag = hashlib.sha256(data).hexdigest()[:32]
        name = "/" + path.relative_to(folder).as_posix()
        rows.append(f'    {{"{name}", "{media_type}", "\\"{etag}\\"", {symbol}, {symbol}_end}},\n')
    assembly.append('.section .note.GNU-stack, "", @progbits\n')
    (output / "console_files.S").write_text("".join(assembly))
    (output / "console_files.cc").write_text(
        "// Made by cmake/embed_files.py.\n"
        '#include "server/console.h"\n\n'
        f'extern "C" {{\n{"".join(declarations)}}}\n\n'
        "namespace regatta::server {\n\n"
        f"const ConsoleFile kConsoleFiles[] = {{\n{''.join(rows)}}};\n"
        f"const int kConsoleFileCount = {len(rows)};\n\n"
        "}  // namespace regatta::server\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
