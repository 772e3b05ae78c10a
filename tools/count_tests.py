#!/usr/bin/env python3
"""Counts what a ctest run really tested: prints "PASSED FAILED", and names the skipped on stderr.

usage: count_tests.py CTEST_JUNIT_XML

A ctest entry that runs a whole suite (pytest, vitest, unittest) counts as many tests as the suite's
own summary says; any other entry counts as one. A run that left no results counts as one failure.
"""

import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

ANSI = re.compile(r"\x1b\[[0-9;]*m")
# Each recognises the closing line of one runner: "=== 3 passed, 1 failed in 0.10s ===",
# "Tests  2 failed | 5 passed (7)", "Ran 4 tests in 0.1s".
SUMMARY = re.compile(
    r"^=*\s*(?:Tests\s+)?((?:\d+ "
    r"(?:passed|failed|errors?|skipped|xfailed|deselected|warnings?|todo)(?:, | \| |\s)?)+)"
    r"(?:in [\d.:]+ ?s?.*|\(\d+\))\s*=*$",
    re.MULTILINE,
)
# node --test: "ℹ pass 5" or "# pass 5" on a line of its own; GoogleTest: "[  PASSED  ] 34 tests.".
NODE = re.compile(r"^(?:#|\u2139) (pass|fail) (\d+)$", re.MULTILINE)
GTEST = re.compile(r"^\[  (PASSED|FAILED)  \] (\d+) tests?[.,]", re.MULTILINE)
UNITTEST = re.compile(r"^Ran (\d+) tests? in .*\n+(OK|FAILED)(?: \((.*)\))?", re.MULTILINE)


def suite_counts(output: str) -> tuple[int, int] | None:
    """Passed and failed by the inner suite's summary, or None when there is none."""
    output = ANSI.sub("", output)
    passed = failed = 0
    found = False
    for match in SUMMARY.finditer(output):
        counts = {
            word.rstrip("s"): int(n) for n, word in re.findall(r"(\d+) (\w+)", match.group(1))
        }
        passed += counts.get("passed", 0)
        failed += counts.get("failed", 0) + counts.get("error", 0)
        found = True
    for match in (*NODE.finditer(output), *GTEST.finditer(output)):
        if match.group(1).lower().startswith("pass"):
            passed += int(match.group(2))
        else:
            failed += int(match.group(2))
        found = True
    for match in UNITTEST.finditer(output):
        bad = sum(int(n) for n in re.findall(r"(?:failures|errors)=(\d+)", match.group(3) or ""))
        skipped = sum(int(n) for n in re.findall(r"skipped=(\d+)", match.group(3) or ""))
        passed += int(match.group(1)) - bad - skipped
        failed += bad
        found = True
    return (passed, failed) if found else None


def count(xml: str) -> tuple[int, int, list[str]]:
    """Passed, failed and the names of the skipped of one JUnit file of ctest."""
    passed = failed = 0
    skipped: list[str] = []
    for case in ElementTree.fromstring(xml).iter("testcase"):
        status = case.get("status")
        if status in ("notrun", "disabled") or case.find("skipped") is not None:
            skipped.append(case.get("name", "?"))
            continue
        inner = suite_counts(case.findtext("system-out") or "")
        ok = status == "run" and case.find("failure") is None
        if inner is None or inner == (0, 0):
            inner = (1, 0) if ok else (0, 1)
        elif not ok and inner[1] == 0:
            # The suite was content and its process was not: that is a failure, too.
            inner = (inner[0], 1)
        passed += inner[0]
        failed += inner[1]
    return passed, failed, skipped


def main() -> int:
    path = pathlib.Path(sys.argv[1])
    if not path.is_file():
        print(f"count_tests: {path} is missing: the run did not end", file=sys.stderr)
        print("0 1")
        return 1
    passed, failed, skipped = count(path.read_text())
    for name in skipped:
        print(f"skipped: {name}", file=sys.stderr)
    print(passed, failed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
