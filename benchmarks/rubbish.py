"""Feeds every command and option with rubbish, in this process: no traceback, the right exit status, no stray file.

    python -m benchmarks.rubbish [N]    N inputs (5,000 unless said), other ones each time

Exit status 1 if one is answered wrongly; the smallest such input is printed.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from hypothesis import HealthCheck, given, settings

from tests.rubbish import Input, check, inputs


def main() -> None:
    """Draw, call and count."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rubbish", description=__doc__)
    parser.add_argument("number", metavar="N", type=int, nargs="?", default=5000, help="how many inputs")
    number = parser.parse_args().number
    counted: Counter[tuple[str, object]] = Counter()

    @settings(max_examples=number, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(inputs())
    def answers(some: Input) -> None:
        counted[check(some)] += 1

    try:
        answers()
    except (AssertionError, ExceptionGroup) as error:
        print("\n".join([str(error), *getattr(error, "__notes__", [])]))
        sys.exit(1)
    for (command, status), times in sorted(counted.items(), key=str):
        print(f"{command:8} {status:>3}  {times:5}")


if __name__ == "__main__":
    main()
