#!/usr/bin/env python3
"""House rules over every tracked file; each rule is shown to bite before it is trusted.

No file over 1 MiB, no compiled binaries, no paths of one machine, no package registry's host, no
private keys or tokens; docs/dependencies.md has a line for every dependency, and eccl.h for every
variable of the environment that libeccl reads.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

LARGEST = 1 << 20
BINARY_MAGIC = (b"\x7fELF", b"!<arch>", b"PK\x03\x04", b"\x1f\x8b", b"MZ\x90")
# Spelt so that this file does not offend against itself. Examples are about the user "me".
FORBIDDEN = {
    "a path of one machine": re.compile(
        r"(?<![\w.$}/])/(?:home/(?!me/)\w|Users/\w|wo" + r"rk/(?:main|shared|[.]\w)|tmp/w" + r"t/)"
    ),
    "a private registry": re.compile(
        r"https?://[\w.:@-]*(?:artifactory|nexus|verdaccio|devpi|pkg\.dev|codeartifact)[\w./-]*"
        r"|index-url\s*=\s*http|--index-url[ =]http|\"resolved\": \"https?://(?!registry\.npmjs\.org/)",
        re.IGNORECASE,
    ),
    "a private key": re.compile("-----BEGIN " + "(?:[A-Z]+ )?PRIVATE KEY-----"),
    "a credential": re.compile(
        r"\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|xox[abp]-[A-Za-z0-9-]{20,})\b"
        r"|https?://[^/\s:@\"'<>{}$]+:[^/\s:@\"'<>{}$]{6,}@"
    ),
}
ROW = re.compile(r"^\| ([^|\s]+) \| [^|]+ \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)


def tracked(root: pathlib.Path) -> list[pathlib.Path]:
    command = ["git", "-c", f"safe.directory={root}", "-C", str(root), "ls-files", "-z"]
    listing = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    return [root / name for name in listing.split("\0") if name and (root / name).is_file()]


def check_files(root: pathlib.Path, files: list[pathlib.Path]) -> list[str]:
    errors = []
    for path in files:
        place = path.relative_to(root)
        data = path.read_bytes()
        if len(data) > LARGEST:
            errors.append(f"{place}: {len(data)} bytes; the largest allowed is {LARGEST}")
        if data.startswith(BINARY_MAGIC):
            errors.append(f"{place}: a compiled binary or archive")
        if b"\0" in data[:8000]:
            continue
        for number, line in enumerate(data.decode(errors="replace").splitlines(), start=1):
            for what, pattern in FORBIDDEN.items():
                if pattern.search(line):
                    errors.append(f"{place}:{number}: {what}")
    return errors


def wanted_dependencies(root: pathlib.Path) -> dict[str, str]:
    """Every dependency, with the file that asks for it."""
    wanted = {}
    for name in ("tools/apt-packages.txt", "tools/python-requirements.txt"):
        if (root / name).is_file():
            for line in (root / name).read_text().splitlines():
                words = re.split(r"[\s=<>~!]", line.split("#")[0].strip())
                if words[0]:
                    wanted[words[0]] = name
    manifest = root / "console/package.json"
    if manifest.is_file():
        parsed = json.loads(manifest.read_text())
        for part in ("dependencies", "devDependencies"):
            wanted.update(dict.fromkeys(parsed.get(part, {}), "console/package.json"))
    return wanted


def check_dependencies(root: pathlib.Path) -> list[str]:
    page = (root / "docs/dependencies.md").read_text()
    listed = {name for name, licence in ROW.findall(page) if licence.strip()}
    return [
        f"{source}: {name} has no line in docs/dependencies.md (what for, why this one, licence)"
        for name, source in sorted(wanted_dependencies(root).items())
        if name not in listed
    ]


def check_variables(root: pathlib.Path) -> list[str]:
    """What src/eccl asks the environment for, by name; tests may ask for more."""
    documented = set(re.findall(r"\bECCL_\w+", (root / "include/regatta/eccl.h").read_text()))
    errors = []
    for path in sorted((root / "src/eccl").rglob("*.cc")):
        if path.stem.endswith(("_test", "_main")) or "testing" in path.parts:
            continue
        for name in sorted(set(re.findall(r'"(ECCL_[A-Z_]+)"', path.read_text())) - documented):
            errors.append(f"{path.relative_to(root)}: {name} is not in include/regatta/eccl.h")
    return errors


def check_the_checker() -> list[str]:
    """Plants one offence of each kind and expects it refused, and one clean file, accepted."""
    offences = {
        "big.txt": ("x" * (LARGEST + 1), "the largest allowed"),
        "tool": ("\x7fELF", "a compiled binary"),
        "a.sh": ("cd /wo" + "rk/main\n", "a path of one machine"),
        "b.md": ("see /ho" + "me/ann/notes\n", "a path of one machine"),
        "pip.txt": ("--index-" + "url https://x.example/simple\n", "a private registry"),
        "lock.json": ('"resol' + 'ved": "https://npm.corp.example/a.tgz"\n', "a private registry"),
        "key.pem": ("-----BEGIN " + "RSA PRIVATE KEY-----\n", "a private key"),
        "c.yaml": ("url: https://ann:hunter" + "22@x.example/\n", "a credential"),
    }
    clean = "see https://example.org/a and src/work/queue.cc; $HOME/data; http://127.0.0.1:80/\n"
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, (text, expected) in offences.items():
            (root / name).write_text(text)
            if not any(expected in error for error in check_files(root, [root / name])):
                missed.append(f"hygiene_test itself: did not refuse {name}: {expected}")
        (root / "clean.md").write_text(clean)
        missed += [f"hygiene_test itself: {e}" for e in check_files(root, [root / "clean.md"])]
        (root / "docs").mkdir()
        (root / "tools").mkdir()
        (root / "docs/dependencies.md").write_text("| cmake | build | usual | BSD |\n")
        (root / "tools/apt-packages.txt").write_text("cmake\nmystery lane\n")
        found = check_dependencies(root)
        if len(found) != 1 or "mystery" not in found[0]:
            missed.append("hygiene_test itself: did not refuse an unlisted dependency")
        (root / "include/regatta").mkdir(parents=True)
        (root / "src/eccl").mkdir(parents=True)
        (root / "include/regatta/eccl.h").write_text("/* ECCL_KNOWN is documented */\n")
        (root / "src/eccl/a.cc").write_text('getenv("ECCL_KNOWN"), getenv("ECCL_SECRET_SWITCH")\n')
        found = check_variables(root)
        if len(found) != 1 or "ECCL_SECRET_SWITCH" not in found[0]:
            missed.append("hygiene_test itself: did not refuse an undocumented variable")
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).parent.parent)
    root = parser.parse_args().root.resolve()
    errors = check_files(root, tracked(root)) + check_dependencies(root) + check_variables(root)
    errors += check_the_checker()
    for error in errors:
        print(error)
    print(f"hygiene_test: {len(errors)} offences")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
