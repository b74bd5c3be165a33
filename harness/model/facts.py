"""What of the facts beside a verdict a claim can ask for: the fields of `Facts`, and what each says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Fact:
    """One of the facts that a claim can ask for: what the field of that name cannot say itself.

    `about` says what is so where it is a fact, `denied` what is where it is none. Where a claim asks for a value
    instead, `about` says of what, and `values` what each means. `example` is one of its key in a file. `of_run`: no
    trace tells it, so whoever judges a result again keeps it.
    """

    name: str
    about: str
    denied: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    example: object = True
    of_run: bool = False


_FACTS = (
    Fact(
        "emulates",
        about="a hop plays what somebody claims of it",
        denied="no hop plays what somebody claims of it",
        of_run=True,
    ),
    Fact("applications", about="a hop is an application", denied="no hop is an application", of_run=True),
    Fact(
        "served_by",
        about="a hop tells which server and location of a config answer",
        denied="no hop tells which server and location of a config answer",
        example=False,
        of_run=True,
    ),
    Fact(
        "answered_by",
        about="whose answer the client got: the emitter's, however a hop handed it on, a hop's own, or nobody's",
        values={"emitter": "the emitter answered", "hop": "a hop answered by itself", "nobody": "nobody answered"},
        example=["hop", "nobody"],
    ),
    Fact(
        "refusal",
        about="the answer had another status than a stream has",
        denied="the answer had no other status than a stream has",
    ),
    Fact(
        "turned_away",
        about="a hop turned streams of the cell away, and was asked again, alone and slowly",
        denied="no hop turned a stream of the cell away",
        example=False,
        of_run=True,
    ),
    Fact(
        "beside_others",
        about="the verdict was another beside other streams than alone",
        denied="the verdict was no other beside other streams than alone",
        example=False,
        of_run=True,
    ),
    Fact(
        "remark",
        about="the client shows something else than the bytes that came",
        denied="the client shows the bytes that came",
        example=False,
    ),
    Fact(
        "clock_uncertainty_ms",
        about="the client's clock is not the harness's",
        denied="the client's clock is the harness's",
        example=False,
    ),
    Fact(
        "screen",
        about="tokens that came one by one were painted together",
        denied="no tokens that came one by one were painted together",
    ),
    Fact(
        "stand_in",
        about="another client read the control",
        denied="no other client read the control",
        example=False,
        of_run=True,
    ),
    Fact(
        "unguarded",
        about="the chain answered no pulse",
        denied="the chain left no pulse unanswered",
        example=False,
        of_run=True,
    ),
    Fact(
        "sampled_after",
        about="time was up, and only the first tokens were waited for",
        denied="time was not up before the last token",
        example=False,
    ),
    Fact(
        "start",
        about="the start of the stream was treated in another way than the rest",
        denied="the start of the stream was treated as the rest",
    ),
    Fact(
        "head_held",
        about="the head of the response was held until tokens had been sent",
        denied="the head of the response was not held",
    ),
    Fact(
        "tail_tokens",
        about="the last tokens came only with the end of the stream",
        denied="no token came only with the end of the stream",
    ),
    Fact(
        "late_tokens",
        about="a few tokens came late",
        denied="no token of a stream that was in time came late",
        example=False,
    ),
)
FACTS: Mapping[str, Fact] = {fact.name: fact for fact in _FACTS}
"""All of `Facts` but `hops`, which says of what kind each hop is and is neither so nor not."""
