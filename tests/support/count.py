#!/usr/bin/python3
"""Prints `N passed, N failed` over JUnit results; fails if a test failed or nothing ran.

    count.py RESULT…      (each without its .xml)

A skipped test is a failed one: nothing may be left out silently. A result that is missing or cannot be
read (its runner crashed) or that holds no test counts as one failure.
"""

import sys
import xml.etree.ElementTree as ElementTree


def tests_of(path):
    """The names of the tests that passed and of those that did not."""
    try:
        cases = list(ElementTree.parse(path).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError) as error:
        return [], [f"{path}: {error}"]
    if not cases:
        return [], [f"{path}: no test ran"]
    passed, failed = [], []
    for case in cases:
        # pytest marks what went wrong with an element, ctest also with a status.
        marks = {child.tag for child in case} & {"failure", "error", "skipped"}
        bad = marks or case.get("status", "run") != "run"
        name = f"{case.get('classname')}: {case.get('name')}"
        (failed if bad else passed).append(name + (" (skipped)" if "skipped" in marks else ""))
    return passed, failed


def main():
    passed, failed = [], []
    for result in sys.argv[1:]:
        good, bad = tests_of(f"{result}.xml")
        passed += good
        failed += bad
    for name in failed:
        print(f"FAILED {name}")
    print(f"{len(passed)} passed, {len(failed)} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
