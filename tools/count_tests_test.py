"""count_tests.py counts what suites say, and never counts a broken run as passed."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import count_tests


def junit(name: str, status: str, output: str) -> str:
    failure = '<failure message="x"/>' if status == "fail" else ""
    case = f'<testcase name="{name}" status="{status}">{failure}<system-out>{output}</system-out>'
    return f"<testsuite>{case}</testcase></testsuite>"


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("===== 3 passed, 1 failed in 0.10s =====", (3, 1)),
        ("12 passed in 3.21s", (12, 0)),
        ("2 failed, 3 passed, 1 skipped, 4 warnings, 1 error in 61.02s (0:01:01)", (3, 3)),
        (" Test Files  1 passed (1)\n      Tests  2 failed | 5 passed (7)\n", (5, 2)),
        ("Ran 4 tests in 0.100s\n\nFAILED (failures=1, errors=1)", (2, 2)),
        ("Ran 4 tests in 0.100s\n\nOK (skipped=1)", (3, 0)),
        ("\u2139 tests 6\n\u2139 pass 5\n\u2139 fail 1\n\u2139 skipped 0\n", (5, 1)),
        ("[  PASSED  ] 33 tests.\n[  FAILED  ] 1 test, listed below:\n[  FAILED  ] A.B\n", (33, 1)),
        ("3 passed the harbour", None),
    ],
)
def test_reads_the_summary_of_each_runner(output: str, expected: tuple[int, int] | None) -> None:
    assert count_tests.suite_counts(output) == expected


def test_an_entry_without_a_summary_is_one_test() -> None:
    assert count_tests.count(junit("base.Ulid", "run", "[ PASSED ] 1 test."))[:2] == (1, 0)
    assert count_tests.count(junit("base.Ulid", "fail", "boom"))[:2] == (0, 1)


def test_a_suite_that_passed_in_a_process_that_failed_is_a_failure() -> None:
    assert count_tests.count(junit("python", "fail", "2 passed in 0.1s"))[:2] == (2, 1)


def test_skipped_tests_are_named_and_not_counted() -> None:
    assert count_tests.count(junit("net.V6", "notrun", "")) == (0, 0, ["net.V6"])
