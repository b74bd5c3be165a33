"""What is said of a run: texts and pictures, each in the words that all share. Pure.

In: a run and its results.
Out: texts and pictures; whoever asks for one writes the file.
Enter: doors and `claims/`; what is said of a result is said here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import lazily

if TYPE_CHECKING:
    from harness.reports.renderers import RENDERERS, unfinished
else:
    __all__, __getattr__ = lazily(__name__)
