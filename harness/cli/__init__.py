"""The command line: reads options, asks the session, prints what comes back. It decides nothing.

In: words that a person typed.
Out: what that person reads, files that were asked for, an exit status.
Enter: nobody but `__main__.py` and the console script.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import lazily

if TYPE_CHECKING:
    from harness.cli.arguments import Typed
    from harness.cli.asking import spoken
    from harness.cli.checking import finish_check, finish_diff
    from harness.cli.diagnosing import Budget, Looked, diagnose, finish_diagnosis, of_kept
    from harness.cli.finishing import (
        finish,
        finish_cell,
        finish_kept,
        finish_reports,
        outputs_of,
        required,
        tell_diffs,
        tell_reports,
    )
    from harness.cli.github import tell_failure
    from harness.cli.interrupts import interruptible
    from harness.cli.measuring import measure, measure_all
    from harness.cli.probing import probe
    from harness.cli.recording import Answerer, chain_and_endpoint, hops_and_endpoint, job_of
    from harness.cli.watching import watch
else:
    __all__, __getattr__ = lazily(__name__)
