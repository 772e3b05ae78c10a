"""The one harness of every benchmark area; `python -m bench.harness` is its command line.

An area is a folder bench/<area>/ whose cases.py has a function `cases(quick) -> list[Case]`.
Nothing else needs to know of it.
"""
