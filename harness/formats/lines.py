"""Cuts a byte stream into lines, wherever the stream itself was cut.

Rules, for every format: a line ends with LF, CR or CRLF (WHATWG HTML 9.2.5) and is given out as soon as the
first byte of that end is there; a byte order mark before the first line is dropped; a last line without an
end is never given out.
"""

from __future__ import annotations

from harness.errors import StreamError

_BOM = b"\xef\xbb\xbf"


class LineSplitter:
    """Incremental line splitter."""

    def __init__(self) -> None:
        self._start = 0  # where the unfinished line starts
        self._parts: list[bytes] = []  # the unfinished line
        self._after_cr = False

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Return the lines that `data` completes: offset of the line's first byte, line without its end."""
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
            self._start += 1
            self._after_cr = False
        found = []
        for piece in data.splitlines(keepends=True):  # of bytes: splits at LF, CR and CRLF, at nothing else
            line = piece.rstrip(b"\r\n")
            if len(line) == len(piece):
                self._parts.append(piece)
                break
            size_bytes = len(piece)
            if self._parts:
                size_bytes += sum(map(len, self._parts))
                line = b"".join((*self._parts, line))
                self._parts.clear()
            found.append((self._start, line if self._start else line.removeprefix(_BOM)))
            self._start += size_bytes
        if data:
            self._after_cr = data.endswith(b"\r")
        return found


def decode(line: bytes, offset: int) -> str:
    """Return the line as text. Raises StreamError, naming the place, where it is not UTF-8."""
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        bad = line[error.start : error.start + 16]
        raise StreamError(f"not UTF-8 at byte {offset + error.start}: {bad!r}") from error
