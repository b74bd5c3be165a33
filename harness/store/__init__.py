"""Runs on disk: written as they happen, read back as they were. The one place that writes files.

In: results and traces, one by one.
Out: run folders, and the same nouns again.
Enter: `measure/` and doors; it decides nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import lazily

if TYPE_CHECKING:
    from harness.store.runs import Run, check_folder, check_writable, latest, write_pieces
else:
    __all__, __getattr__ = lazily(__name__)
