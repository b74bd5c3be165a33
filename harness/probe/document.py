"""What was found out about an endpoint as a JSON document, for programs. Pure.

Rule: it says what people are told, and nothing of what was said to the endpoint: of headers only those of hops.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from harness.model import shown_urls
from harness.probe.secrets import shown_url
from harness.probe.takes import Asking, Take, lags_ms
from harness.probe.telling import OF_HOPS, ProbeReport

SCHEMA_VERSION = 1


def pieces(report: ProbeReport) -> Iterator[str]:
    """Yield the document: instants in ms since a request began, and the `lags` of messages over the direct ones."""
    search, finding = report.search, report.search.finding()
    told = {
        "schema_version": SCHEMA_VERSION,
        "url": shown_url(report.url),
        "direct": shown_url(report.direct) if report.direct else None,
        "exit_status": report.exit_status,
        "stopped": report.stopped or search.spent or None,
        "requests": [_take(take) for take in search.takes],
        "difference": finding
        and {
            "one": _asking(finding.one.asking),
            "other": _asking(finding.other.asking),
            "by": finding.by or None,
            "unsteady": finding.unsteady,
        },
        "lags": [{**_asking(take.asking), "ms": lags_ms(take, direct)} for take, direct in report.pairs()],
        "uncertainty_ms": report.uncertainty_ms if report.direct else None,
    }
    yield json.dumps(_hidden(told, report), allow_nan=False, indent=2) + "\n"


def _asking(asking: Asking) -> Mapping[str, Any]:
    return {"who": asking.who, "method": asking.method, "http": asking.http, "direct": asking.direct}


def _take(take: Take) -> Mapping[str, Any]:
    headers = {name: shown_urls(value) for name in ("content-type", *OF_HOPS) if (value := take.header(name))}
    return {
        **_asking(take.asking),
        "how": take.how,
        "status": take.status,
        "headers": headers,
        "message": take.message,
        "messages_ms": list(take.messages_ms),
        "head_ms": take.head_ms,
        "ended_ms": take.ended_ms,
        "size_bytes": take.size_bytes,
        "cut": take.cut or None,
        "fault": take.fault or None,
        "words": take.words or None,
    }


def _hidden(value: Any, report: ProbeReport) -> Any:
    """Return data without what was said to the endpoint."""
    match value:
        case dict():
            return {name: _hidden(one, report) for name, one in value.items()}
        case list():
            return [_hidden(one, report) for one in value]
        case str():
            return report.secrets.hidden(value)
    return value
