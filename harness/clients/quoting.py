"""What a failure says of an answer that a library refused: the library's words, without what they quote of it. Pure.

Rule: a quoted value may be a secret, and whose header it is, nobody can tell of what is no HTTP; a name may be told.
"""

from __future__ import annotations

import re

_QUOTED = re.compile(
    r"""(?P<named>\b(?:name|field|present|sequence):?\ )?   # what h2 says before the name of a header
        (?<!\w)b?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")    # as Python writes bytes and text
        |(?<=value:\ )\[.*                                  # as nghttp2 does, to the end
    """,
    re.DOTALL | re.VERBOSE,
)


def unquoted(words: str) -> str:
    """Return words with an ellipsis for every value of a header that they quote."""
    return _QUOTED.sub(lambda found: found[0] if found["named"] else "...", words)
