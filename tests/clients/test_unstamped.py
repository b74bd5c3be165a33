"""What awk printed, without the time that it put before every line."""

from __future__ import annotations

import pytest

from harness.clients.base import Remote, Unheard
from harness.clients.curl_awk import Unstamped
from harness.errors import ClientError
from harness.model import Remark


class Kept(Unheard):
    """Keeps what is read."""

    def __init__(self) -> None:
        self.reads: list[bytes] = []
        self.remarks: list[Remark | None] = []

    def read(self, data: bytes, at_ns: int) -> bool:
        self.reads.append(data)
        return True

    def remote(self, reader: Remote) -> None:
        self.remarks.append(reader.remark)


MAWK = Remark("awk", printed_by="mawk 1.3.4", keeps_lines=True)
PRINTED = b"12:00:00 data: 12:00:01 x\n12:00:00 \n12:00:01 data: \xff\r y\n12:00:01 \n"
LINES = b"data: 12:00:01 x\n\ndata: \xff\r y\n\n"


@pytest.mark.parametrize("size", range(1, len(PRINTED) + 1))
def test_the_time_comes_off_every_line_wherever_it_is_cut(size: int) -> None:
    kept = Kept()
    sink = Unstamped(kept, MAWK)
    for at in range(0, len(PRINTED), size):
        sink.read(PRINTED[at : at + size], 0)
    assert b"".join(kept.reads) == LINES
    assert b"" not in kept.reads, "a read of nothing but a time is none"


def test_a_line_without_a_time_is_our_fault_and_what_came_before_it_counts() -> None:
    kept = Kept()
    sink = Unstamped(kept, MAWK)
    assert not sink.read(b"12:00:00 data: 1\ndata: 12:00:00\n", 0)
    assert str(sink.fault) == "awk printed no time before a line, but b'data: 12:'"
    assert isinstance(sink.fault, ClientError)
    assert kept.reads == [b"data: 1\n"]


def test_who_has_enough_is_heeded() -> None:
    class Full(Unheard):
        def read(self, data: bytes, at_ns: int) -> bool:
            return False

    sink = Unstamped(Full(), MAWK)
    assert sink.read(b"12:00", 0), "nothing was read yet"
    assert not sink.read(b":00 data: 1\n", 0)
    assert sink.fault is None


async def at_rest() -> None: ...


def test_the_remark_is_passed_on_with_the_reader() -> None:
    kept = Kept()
    Unstamped(kept, MAWK).remote(Remote(at_rest, lambda: 0.1))
    assert kept.remarks == [MAWK]
