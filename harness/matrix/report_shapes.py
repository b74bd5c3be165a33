"""What the key `report` of a matrix file may say: a field report, its chain taken apart, and its claims.

Rules: a claim has exactly one kind of condition, or says why it cannot be tested; a judgement is never written down.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import field_validator, model_validator

from harness.documents.keys import Listed, Shape, Words, key, with_keys
from harness.model import (
    FACTS,
    REFERENCES,
    Answerer,
    Claim,
    ClaimJudgement,
    Effect,
    Fact,
    FactRule,
    FieldReport,
    Limit,
    Manner,
    Part,
    Readers,
    ReleasedBy,
    Verdict,
)

CONDITIONS = ("verdict", "shows", "effect", "metrics", "released_by", "readers", "facts")
EXPLAINED = ("confirmed", "refuted", "depends")


class LimitShape(Shape):
    """What a figure has to keep within; several limits may be given."""

    at_most: float | None = key("it holds up to this", 100, None, allow_inf_nan=False)
    at_least: float | None = key("it holds from this on", 5, None, allow_inf_nan=False)
    at_most_times: float | None = key(
        "it holds up to so many times the figure of the cell that `of` names", 1.2, None, ge=0, le=1_000_000
    )
    at_least_times: float | None = key("it holds from so many times that figure on", 0.5, None, ge=0, le=1_000_000)
    at_most_share: float | None = key(
        "it holds up to this share of another figure of the cell, which `of` names", 0.1, None, ge=0, le=1
    )
    at_least_share: float | None = key("it holds from this share of that figure on", 0.9, None, ge=0, le=1)
    of: Words | None = key(
        "times what: `baseline` is the same cell without mitigations, `control` the same stream read directly;"
        " or a share of what: a figure in results.jsonl, as `reads`",
        "control",
        None,
    )

    @model_validator(mode="after")
    def _limits_something(self) -> LimitShape:
        if all(value is None for _, value in self):
            raise ValueError("limits nothing; give at_most, at_least, or one of them as _times or _share of something")
        times = (self.at_least_times, self.at_most_times)
        shares = (self.at_least_share, self.at_most_share)
        self._compared(any(one is not None for one in times), any(one is not None for one in shares))
        for least, most in ((self.at_least, self.at_most), times, shares):
            if least is not None and most is not None and least > most:
                raise ValueError(f"nothing is at least {least:g} and at most {most:g}")
        return self

    def _compared(self, times: bool, shares: bool) -> None:
        """Raise ValueError if `of` is not what multiples, or shares, are of."""
        if (self.of is not None) is not (times or shares):
            every = "at_most_times, at_least_times, at_most_share or at_least_share"
            raise ValueError(f"`of` and {every} need each other: times what, or a share of what?")
        if times and shares:
            raise ValueError("times a figure of another cell and a share of another figure are two rules; give one")
        if times and self.of not in REFERENCES:
            raise ValueError(f"times what? `of` is {' or '.join(REFERENCES)} there, not {self.of!r}")
        if shares and self.of in REFERENCES:
            raise ValueError(f"a share of what? `of` is another figure of the cell there, not {self.of!r}")

    def named(self, metric: str) -> Limit:
        """Return the noun."""
        return Limit(metric, **dict(self))


def _asked(fact: Fact) -> Any:
    """Return the type of what a claim may ask of a fact."""
    return (Listed[Answerer] if fact.values else bool) | None


@with_keys({fact.name: (_asked(fact), key(fact.about, fact.example, None)) for fact in FACTS.values()})
class FactsShape(Shape):
    """What has to be a fact of a cell (`true`), or must not be one (`false`). Several may be given: then all have to
    hold.
    """

    @model_validator(mode="after")
    def _something(self) -> FactsShape:
        if all(value is None for _, value in self):
            raise ValueError(f"asks for no fact; give one of {', '.join(type(self).model_fields)}")
        return self

    def named(self) -> tuple[FactRule, ...]:
        """Return the nouns."""
        asked = {name: value for name, value in self if value is not None}
        return tuple(
            FactRule(name, answerers=tuple(value)) if isinstance(value, list) else FactRule(name, is_so=value)
            for name, value in asked.items()
        )


class ClaimShape(Shape):
    """One sentence of a report, and what must be found in which cells for it to hold there: one kind of condition of
    `verdict`, `shows`, `effect`, `metrics`, `released_by`, `readers`, `facts`; or why it cannot be tested. It is
    `confirmed` if that holds in every cell that could be judged, `refuted` if in none; else the axes it depends on are
    named.
    """

    claim: Words = key("the report's words in short", "The dev proxy buffers.")
    where: Words | None = key("the heading in the report", "Root Cause", None)
    ours: bool = key("the report does not ask it, its words raise it: told as ours, and not counted", True, False)
    cells: Listed[Words] | None = key(
        "globs on whole ids of cells; `*` crosses `/`", ["nextjs:dev/*/none/*", "nextjs:prod/*/none/*"], None
    )
    verdict: Listed[Verdict] | None = key("the cell has one of these verdicts", ["buffered", "coalesced"], None)
    shows: Listed[Manner] | None = key("the stream as asked shows one of these", "at the end", None)
    effect: Listed[Effect] | None = key(
        "its mitigations have one of these effects; cells without any do not count", "defeats", None
    )
    metrics: dict[str, LimitShape] | None = key(
        "its figures keep within limits; names of the figures in results.jsonl",
        {"ttft_ms": {"at_most": 100}, "reads_merged": {"at_most_share": 0.1, "of": "reads"}},
        None,
        min_length=1,
    )
    released_by: Listed[ReleasedBy] | None = key("what let its held tokens go is one of these", "end", None)
    readers: Readers | None = key("how the verdicts of different clients on the same stream compare", "disagree", None)
    facts: FactsShape | None = key("what is told of it beside the verdict", {"unguarded": False}, None)
    untestable: Words | None = key("why it cannot be tested here", "It is about a corporate proxy.", None)
    because: Words | dict[Literal["confirmed", "refuted", "depends"], Words] | None = key(
        "the mechanism with its citation, told with the judgement; by judgements, told only with that one",
        {"refuted": "nginx.org: proxy_buffering is on by default."},
        None,
    )

    @field_validator("because", mode="plain", json_schema_input_type=str | dict[str, str])
    @classmethod
    def _because(cls, value: Any) -> Any:
        texts = value.values() if isinstance(value, dict) and value else [value]
        if not all(isinstance(text, str) and text.strip() for text in texts):
            raise ValueError(f"must be text, or a text for each judgement: {', '.join(EXPLAINED)}")
        if isinstance(value, dict) and (strange := value.keys() - set(EXPLAINED)):
            raise ValueError(f"{sorted(strange)[0]!r} is no judgement to explain; there are {', '.join(EXPLAINED)}")
        return value

    @model_validator(mode="after")
    def _one_kind(self) -> ClaimShape:
        given = [name for name in CONDITIONS if getattr(self, name) is not None]
        if self.untestable:
            if given or self.cells or self.because:
                raise ValueError("what is untestable has no cells, no condition and no because")
        elif not given:
            raise ValueError(f"no condition; give one of {', '.join(CONDITIONS)}, or say why it is untestable")
        elif len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are two kinds of condition; make them two claims")
        elif not self.cells:
            raise ValueError("a condition needs cells to be looked for in")
        return self

    def named(self) -> Claim:
        """Return the noun."""
        because = dict.fromkeys(EXPLAINED, self.because) if isinstance(self.because, str) else self.because
        explained: dict[ClaimJudgement, str] = {
            kind: because[kind] for kind in get_args(ClaimJudgement) if because and kind in because
        }
        return Claim(
            claim=self.claim,
            where=self.where or "",
            cells=tuple(self.cells or ()),
            verdict=tuple(self.verdict or ()),
            shows=tuple(self.shows or ()),
            effect=tuple(self.effect or ()),
            released_by=tuple(self.released_by or ()),
            limits=tuple(limit.named(metric) for metric, limit in (self.metrics or {}).items()),
            readers=self.readers,
            facts=self.facts.named() if self.facts else (),
            untestable=self.untestable,
            because=explained,
            ours=self.ours,
        )


class PartShape(Shape):
    """One link of the report's chain, measured alone."""

    name: Words = key("what it is, in words", "the app alone")
    cells: Listed[Words] = key("globs on the cells that show how it treats a stream", "asgi:plain/*/none/lockstep")


class ReportShape(Shape):
    """A field report and what it claims. `harness reports` measures its cells and tells, claim by claim, what holds;
    then which of `parts` really holds tokens, and which mitigation is the cheapest that helps where `symptom` shows.
    """

    source: Words = key("who tells it", "field report 000")
    story: Words = key("what happened to whom, in three sentences", "Tokens came at once. We suspected the proxy.")
    scale: Words | None = key("how the workload differs from the report's", "Its six seconds are scaled to two.", None)
    symptom: Listed[Words] = key("globs on the cells that show what the report saw", "nextjs:dev>asgi:plain/*/none/*")
    parts: list[PartShape] = key(
        "the chain taken apart, each part alone", [{"name": "the app alone", "cells": "asgi:plain/*"}], []
    )
    claims: list[ClaimShape] = key(
        "what it says, claim by claim",
        [{"claim": "The dev proxy buffers.", "cells": "nextjs:dev/*", "verdict": "buffered"}],
        min_length=1,
    )

    def named(self) -> FieldReport:
        """Return the noun."""
        return FieldReport(
            source=self.source,
            story=self.story,
            symptom=tuple(self.symptom),
            claims=tuple(claim.named() for claim in self.claims),
            parts=tuple(Part(part.name, tuple(part.cells)) for part in self.parts),
            scale=self.scale,
        )
