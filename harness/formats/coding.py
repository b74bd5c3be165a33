"""Takes content codings off a body, read by read.

Rule: a read gives out everything that the bytes so far determine; a sync-flushed block comes at once.
gzip is RFC 1952, deflate RFC 9110 8.4.1.2, br RFC 7932, zstd RFC 8878 within the window of RFC 9659.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import brotli  # type: ignore[import-untyped]
import zstandard

from harness.errors import StreamError

_ZSTD_WINDOW_BYTES = 8 * 1024 * 1024


class ContentDecoder(Protocol):
    """Undoes the codings of one body. Raises StreamError where the bytes are not what the coding says."""

    def feed(self, data: bytes) -> bytes:
        """Return what `data` makes known, possibly nothing."""

    def finish(self) -> bytes:
        """Return what the end of the body makes known. Raises StreamError if the body ends too early."""


def content_coding(headers: Sequence[tuple[str, str]]) -> str | None:
    """Return the value of Content-Encoding, repeated fields joined; None without one."""
    return ", ".join(value for name, value in headers if name.lower() == "content-encoding") or None


def decoder(content_encoding: str | None) -> ContentDecoder:
    """Return a decoder for a Content-Encoding value. Raises StreamError for a coding nobody here knows.

    A list such as `gzip, br` names the codings in the order in which they were applied (RFC 9110 8.4), so the
    last comes off first. No value and `identity` mean no coding. So does `none`: it is not registered, but
    people send it to keep compressors off, and the body that comes with it is not coded.
    """
    names = [name.strip().lower() for name in (content_encoding or "").split(",")]
    return _Stack([_undo(name) for name in reversed(names) if name not in ("", "identity", "none")])


class _Frame(Protocol):
    """One self-contained piece of coded data, as zlib and zstandard model it."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


class _BrotliFrame:
    """brotli's decoder in zlib's clothes. It takes bytes after its end for an error by itself."""

    unused_data = b""

    def __init__(self) -> None:
        self._decompressor = brotli.Decompressor()

    @property
    def eof(self) -> bool:
        return bool(self._decompressor.is_finished())

    def decompress(self, data: bytes, /) -> bytes:
        return bytes(self._decompressor.process(data))


@dataclass(frozen=True, slots=True)
class _Coding:
    """`start` makes a frame, given the first bytes of it; `many` tells whether a body may hold several."""

    start: Callable[[bytes], _Frame]
    many: bool = False


def _gzip(first: bytes) -> _Frame:
    return zlib.decompressobj(16 + zlib.MAX_WBITS)


def _deflate(first: bytes) -> _Frame:
    # The zlib format is meant, but some send raw DEFLATE. The first byte tells: what is method 8 in a zlib
    # header would be, in raw data, a stored block with its padding bits set, which no encoder writes.
    return zlib.decompressobj(zlib.MAX_WBITS if first[0] & 0x0F == 8 else -zlib.MAX_WBITS)


def _brotli(first: bytes) -> _Frame:
    return _BrotliFrame()


def _zstd(first: bytes) -> _Frame:
    return zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES).decompressobj()


_CODINGS = {
    "gzip": _Coding(_gzip, many=True),
    "x-gzip": _Coding(_gzip, many=True),
    "deflate": _Coding(_deflate),
    "br": _Coding(_brotli),
    "zstd": _Coding(_zstd, many=True),
}


def _undo(name: str) -> _Frames:
    if name not in _CODINGS:
        raise StreamError(f"unknown content coding {name!r} (known: identity, none, {', '.join(_CODINGS)})")
    return _Frames(name, _CODINGS[name])


class _Frames:
    """One coding: frame after frame. A body without any byte is an empty body, as browsers have it."""

    def __init__(self, name: str, coding: _Coding) -> None:
        self._name = name
        self._coding = coding
        self._frame: _Frame | None = None
        self._taken_bytes = 0

    def feed(self, data: bytes) -> bytes:
        decoded = []
        rest = data
        while rest:
            if self._frame is None or (self._frame.eof and self._coding.many):
                self._frame = self._coding.start(rest)
            elif self._frame.eof:
                raise self._error("goes on after its end", len(data) - len(rest))
            try:
                decoded.append(self._frame.decompress(rest))
            except (zlib.error, brotli.error, zstandard.ZstdError) as error:
                raise self._error(f"is corrupt ({error})", len(data) - len(rest)) from error
            rest = self._frame.unused_data if self._frame.eof else b""
        self._taken_bytes += len(data)
        return b"".join(decoded)

    def finish(self) -> bytes:
        if self._frame is not None and not self._frame.eof:
            raise self._error("is cut short", 0)
        return b""

    def _error(self, what: str, offset: int) -> StreamError:
        return StreamError(f"{self._name} body {what}, at or after byte {self._taken_bytes + offset}")


class _Stack:
    """Codings to take off one after the other, the outermost first; none of them is identity."""

    def __init__(self, layers: list[_Frames]) -> None:
        self._layers = layers

    def feed(self, data: bytes) -> bytes:
        for layer in self._layers:
            data = layer.feed(data)
        return data

    def finish(self) -> bytes:
        data = b""
        for layer in self._layers:
            data = layer.feed(data) + layer.finish()
        return data
