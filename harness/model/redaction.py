"""What of headers and paths reaches no file: queries, who a URL logs in, and values of headers with secret names. Pure.

Rules: names of headers tell, values do not, but for the user information of URLs (RFC 3986, section 3.2.1), and their
query and fragment; equal values of a header stay equal and others differ, so that a hop that changes one is still seen;
what is masked already stays as it is. What was said to somebody is hidden where they repeat it, also as JSON writes it,
and where a text was cut within it; very short words are no secrets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from harness.model.asked import Mitigation
from harness.model.planned import Plan
from harness.model.recorded import Trace
from harness.model.words import HIDDEN

Headers = tuple[tuple[str, str], ...]

_SECRET = re.compile(
    r"auth(?!enticate$|ority)|cookie|token(?!s)|secret|passw|passphrase|credential|signature|assertion|session|jwt|oidc"
    r"|[cx]srf|(?:api|access|private)[-_]?key"
    r"|(?<!websocket)(?<!idempotency)(?<!surrogate)(?<!cache)(?:(?:^|[-_])key|(?-i:(?<=[a-z0-9])Key))$"
    r"|(?:^|(?<!proxy)(?<!cgi)(?<!grpc)(?<!uwsgi)(?<!memcached)[-_])(?:pass|pwd)$",
    re.IGNORECASE,
)
"""The last: `DB_PASS`, but not nginx' `proxy_pass` and its kin."""
_USERINFO = re.compile(
    r"""
    (?: (?<=://) | (?<=:\\/\\/) )  # JSON may write `:\\/\\/`
    (?: (?: [^\s/"'] | '(?=\w) )+  # to the last `@` before the path, as people write passwords
      | (?! \[[\da-f:.]+\] | [^\s:/@"']+:\d{1,5}(?:[/\s,;>)}\]?\#]|$) )  # or, if it is no host with a port,
        [^\s/:@"'<>]* : (?: (?!:\\?/\\?/)(?:[^\n"'@] | \\["'] | '(?=\w)) )*  # with a `/`, a blank or a `\"` in one
        (?: @[^\s/"'@]* )*
    ) (?=@)
    | (?<=(?<![\w:/\\])//) [^\s/:@"']+ : [^\s/@"']+ (?=@)  # without a scheme
    | (?<![^\s"'=(,]) [^\s/:@"'=(]{1,99} : [^\s"']{1,199} (?= @ (?: (?:tcp6?|unix)\( | /\w) )  # Go's, as `u:p@tcp(db)`
    """,
    re.VERBOSE | re.IGNORECASE,
)
_BEFORE_QUERY = re.compile(
    r"""
    (?P<quote>["'<>])
    | (?<![^\s"'<>]) [^\s"'<>?\#/]* / [^\s"'<>?\#]* [?\#]
    | (?: ^ | (?<=^["']) ) \w [^\s"'<>?\#/]* [?\#]
    | (?: ^ | (?<=^["']) | (?<=<) | (?<=\burl=) | (?<=\burl=["']) ) (?: \? (?![01](?:$|[\s,;"'])) | \# (?=[\w-]+=) )
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""What of a URL stands before its query, or what may quote one; `?1` alone is a boolean (RFC 8941, section 3.3.6)."""
_CLOSES = {'"': '"', "'": "'", "<": ">"}
_MASKED = re.compile(r"\(redacted(?: \d+)?\)")
SHORTEST = 4


def is_secret(name: str) -> bool:
    """Tell whether a header's value is a secret, by its name."""
    return bool(_SECRET.search(name))


def shown_value(name: str, value: str) -> str:
    """Return what may be told of the value of a header, or of a variable of an environment."""
    return HIDDEN if is_secret(name) else shown_urls(value)


def without_query(path: str) -> str:
    """Return a path, or a URL, that can be told."""
    told, sign, query = path.partition("?")
    return f"{told}{sign}{HIDDEN}" if query else path


def without_userinfo(text: str) -> str:
    """Return a text without the name and password of any URL in it."""
    return _USERINFO.sub(HIDDEN, text)


def shown_urls(value: str) -> str:
    """Return the value of a header without whom URLs in it log in, and without their queries and fragments."""
    return _with_queries(without_userinfo(value), lambda _: HIDDEN)


def spellings(said: Iterable[str]) -> list[str]:
    """Return what was said, and how JSON writes it, the longest first, as `without_said` takes it."""
    words = [*said]
    words += [json.dumps(one, ensure_ascii=ascii)[1:-1] for one in words for ascii in (True, False)]
    return sorted({one for one in words if len(one) >= SHORTEST}, key=len, reverse=True)


def without_said(text: str, spelled: Sequence[str]) -> str:
    """Return a text without what was said, of which it may end with no more than the beginning."""
    for one in spelled:
        text = text.replace(one, HIDDEN)
    begun = max((_begun(one, text) for one in spelled), default=0)
    return f"{text[:-begun]}{HIDDEN}" if begun else text


def masked(*lists: Iterable[tuple[str, str]]) -> list[Headers]:
    """Return lists of headers with secrets masked, alike where they are alike."""
    seen: dict[str, list[str]] = {}

    def mask(name: str, value: str) -> str:
        if is_secret(name):
            return hidden(name, value)
        value = _USERINFO.sub(lambda found: hidden(name, found[0]), value)
        return _with_queries(value, lambda query: hidden(name, query))

    def hidden(name: str, value: str) -> str:
        if _MASKED.fullmatch(value):
            return value
        values = seen.setdefault(name.lower(), [])
        if value not in values:
            values.append(value)
        number = values.index(value) + 1
        return HIDDEN if number == 1 else f"(redacted {number})"

    return [tuple((name, mask(name, value)) for name, value in headers) for headers in lists]


def masked_trace(trace: Trace) -> Trace:
    """Return a trace without the secrets of the headers that were sent and received."""
    (asked,) = masked(trace.request_headers)
    sent, received = masked(trace.sent_headers, trace.headers)
    return replace(trace, request_headers=asked, sent_headers=sent, headers=received)


def masked_plan(plan: Plan) -> Plan:
    """Return a plan that can be told, and not carried out any more where it has secrets."""
    asked, emitted = masked(plan.request_headers)[0], masked(plan.emission.headers)[0]
    return replace(plan, request_headers=asked, emission=replace(plan.emission, headers=emitted))


def masked_mitigation(one: Mitigation) -> Mitigation:
    """Return a mitigation without the secrets of its headers."""
    answered = {name: shown_value(name, value) for name, value in one.response_headers.items()}
    asked = {name: value and shown_value(name, value) for name, value in one.request_headers.items()}
    return replace(one, response_headers=answered, request_headers=asked)


def _with_queries(value: str, told: Callable[[str], str]) -> str:
    """Return a value with its queries and fragments told otherwise: to a blank, or where the quote that opened before
    closes, with no more of a word behind it.
    """
    made, at, closers = "", 0, ""
    while found := _BEFORE_QUERY.search(value, at):
        made, at = made + value[at : found.end()], found.end()
        if (sign := found["quote"]) is None:
            ends = "".join(rf"(?!{one}(?:$|[\s,;>)\]}}{closers.replace(one, '')}]))" for one in closers)
            query = re.compile(rf"\(redacted(?: \d+)?\)|(?:{ends}\S)+").match(value, at)
            made, at = (made + told(query[0]), query.end()) if query else (made, at)
        elif sign in closers:
            closers = closers.replace(sign, "")
        elif sign in _CLOSES and not value[found.start() - 1 : found.start()].isalnum():  # as the one in `it's`
            closers += _CLOSES[sign]
    return made + value[at:]


def _begun(one: str, text: str) -> int:
    """Return how much of the end of a text is the beginning of another, if that is enough to tell."""
    sizes = range(min(len(one), len(text)), SHORTEST - 1, -1)
    return next((size for size in sizes if text.endswith(one[:size])), 0)
