"""What mitigations change in a config of the user's, in whichever language: line by line, until all are in effect.

    set    one thing is so where the config answers: in its place there, else on a line of its own
    add    a line goes beside others of its name
    drop   arguments are taken out wherever they are in effect from, and with the last of them the line; all that is in
           effect of a name, where none are said

Rules: what is in effect already is left alone; one change follows the other, on the text as it is by then; all else
stays byte for byte the user's. Where a config answers, and what is in effect there, its language says (`change` of
languages/base.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import Complaint, InputError
from harness.model import Edit
from harness.proxies.diffs import told, unified
from harness.proxies.languages.base import Fitted, Texts, Wanted

MOST = 100
"""So many places a line may be wanted at."""


@dataclass(frozen=True)
class Mitigated:
    """A config with edits applied: the texts of the user's files that changed, as they were and as they are now.

    `was` is what it came from, `now` what has become of it.
    """

    was: Fitted
    now: Fitted
    before: Texts
    after: Texts

    @property
    def fitted(self) -> Fitted:
        """The config as it can stand in a chain; what answers is told by the lines that the user's files have."""
        served_by = self.was.served_by
        return replace(self.now, served_by=replace(served_by, changed=self.told()) if served_by else None)

    def diff(self) -> str:
        """Return what changed, as a unified diff that patches the user's files."""
        return "".join(unified(path, self.before[path], text) for path, text in self.after.items())

    def told(self) -> str:
        """Return the same without any secret."""
        return "".join(told(path, self.before[path], text, self.was.masked) for path, text in self.after.items())


def mitigated(read: Callable[[Texts], Fitted], edits: Iterable[Edit]) -> Mitigated:
    """Return a config with edits applied where it answers; `read` reads it as if some files of it said something else.

    Raises InputError for what cannot be said in it.
    """
    was = now = read({})
    before: dict[Path, str] = {}
    after: dict[Path, str] = {}
    for wanted in [one for edit in edits for one in Wanted.of(edit)]:
        for _ in range(MOST):  # it may be wanted at several places, and an outer one may come to count
            if (change := now.change(wanted)) is None:
                break
            source, text = change
            before.setdefault(source.path, source.text)
            after[source.path] = text
            now = read(after)
        else:
            why = f"`{wanted.verb}: {wanted.line}` is not in effect after {MOST} changes: it cannot be said so here"
            raise InputError(Complaint(why, file=str(source.path)))
    return Mitigated(was, now, before, after)
