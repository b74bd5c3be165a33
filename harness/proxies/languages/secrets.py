"""What of a config is a secret, and the config without it, with as many lines. Pure.

Rules: what stands behind a name that says so (`is_secret`) is one, to the end of the directive, or of the value in YAML
and JSON; the first word of a line is a directive, and such a name only where something is assigned to it. A value that
a program begins goes on to its closing quotes, or while lines are deeper. Wherever they stand, name and password of a
URL (before names are looked for: a password may have one in it), a token behind `Bearer` or `Basic`, a hashed password,
`name=value` and what looks drawn at random (random_words.py) are; sooner in nginx' `set` and maps. A variable that only
requests fill is none, nor is a path of a key. Rather too much is hidden than too little.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from harness.errors import InputError
from harness.model import HIDDEN, is_secret, without_userinfo
from harness.proxies.languages.random_words import without_random
from harness.proxies.languages.yaml_nodes import Entry, Value, plain
from harness.proxies.source_text import Source

_NAME = re.compile(r"(?<![\w/.-])(?:(?:txn|sess|req|res|proc|check)\.)?([A-Za-z_][\w-]*)(?![\w/-]|\.\w)")
_SILENT = re.compile(
    r"server|server-template|default-server|dispatch|cookie|backend|frontend|listen|upstream|location|userlist|bind|peer"
    r"|default_backend|proxy_pass|proxypass\w*|balancermember|include\w*|loadmodule|server_?name|serveralias|log_?format"
    r"|log-format|ssl\w*|proxy_(ssl|cookie|cache|hide)_\w+|proxy_cache|auth_\w+|limit_\w+|stick-table|<(?!(else)?if\b).*",
    re.IGNORECASE,
)
"""Directives that give a name to something of their own, or nothing a value."""
_GIVES = re.compile(
    r"(?!.*(file|path|dialog))(.*(secret|passw|passphrase|credential).*|.*token|secure_link_md5|authbasicfake|(acme_)?dns)",
    re.I,
)
"""Directives that are such a name themselves."""
_ASSIGNS = re.compile(r"""(?<![\w/-])([A-Za-z_][\w-]*)["'`\])?!]*\s*(?:\|\||\?\?|=(?!=)|(?P<pair>[:,]))""")
"""A name that is given something, as `os.environ["API_KEY"] =`, or, if it is a line's first, as `apiKey:`."""
_NOTHING_YET = re.compile(r"(?:.*=)?\s*[(\[]*|[|>][+-]?")
"""Stands behind a name and a `:` where its value is on the next lines."""
_QUOTES = ('"""', "'''", "`")
"""What quotes more than a line."""
_LOG_INS = re.compile(r"\s*basic_?auth\b[^{\n]*\{(?P<rest>[^\n]*)")
"""Caddy's block of names and passwords."""
_NAMED = ("acl", "use_backend", "use-server")
_MAPS = ("map", "geo", "split_clients")
_HARMLESS = re.compile(
    r"\$\{\w+\}|(?<!\w)\$[a-z_]\w*(?!\$)|%\{[^}]*\}\w?|%\[(?!(?:str|bin)\()[\w.,-]+(?:\([\w.-]*\))?(?:,[\w.-]+)*\]"
    r"|\b(?:bearer|basic|always|if|unless|true|early|found|or|and|on|off|none|default)\b|-m|[\s\"'(){}\[\]|&!=~*,;:<>\\]",
    re.IGNORECASE,
)
_LINE = re.compile(r"(?:\\\r?\n|[^\n])*\n?")
_STATEMENT = re.compile(
    r"""\s+|\#[^\n]*|(?P<body>(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\$\{\w+\}|\\.|[^;{}"'\\])+)|[;{}"'\\]""", re.DOTALL
)
_DIRECTIVE = re.compile(r"(?:set|if|map|env|header|requestheader|setenv|acl|stats|user)\b|[\w-]*[_-][\w-]*\s", re.I)
_ASSIGNED = re.compile(r"""(?<![\w-])(?P<name>[\w-]+)=(?!["']?[$%{])("[^"\n]*"|'[^'\n]*'|[^\s&;,"'\]})]+)""")
_ANYWHERE = re.compile(
    r"""(?<=\bBearer)[ \\]+[\w~+/.=-]{4,}|(?<=\bBasic)[ \\]+[\w+/=]{8,}"""
    r"""|\b(?:(?:sk|pk|rk)-[\w-]{6,}|gh[oprsu]_\w{8,}|xox[abp]-[\w-]{8,}|AKIA[0-9A-Z]{8,}|eyJ[\w-]{6,}\.[\w-]+\.[\w-]+)"""
    r"""|(?<![\w$}])(?:\$(?:apr1|2[abxy]?|5|6|y)\$|\{SHA\})[^\s"',\]]+""",
    re.IGNORECASE,
)
_PATH = re.compile(r"/[\w./-]+")
_NAMES = ("key", "name", "header", "headername", "field")
"""Keys whose value is a name, of which another key has the value."""
_VALUES = re.compile(r"(raw|default)?value|.*match.*|exact|prefix|suffix|contains|regex|text")
_OPAQUE = ("inlinestring", "inlinebytes", "inlinecode", "users")
"""Keys whose values are files, programs or log-ins."""


def masked(text: str) -> str:
    """Return a config in a language of lines (HAProxy's, Apache's), or a program, without its secrets."""
    made = ""
    until: re.Pattern[str] | None = None
    for line in _LINE.findall(without_userinfo(text)):
        if until:
            closes = until.search(line)
            at = closes.end() if closes else len(line)
            made, line = made + re.sub(r"\S[^\n]*", HIDDEN, line[:at]), line[at:]
        if not until or closes:
            made, until = made + _hidden(line), _until(line)
    return made


def masked_blocks(text: str) -> str:
    """Return the same in a language of blocks, as nginx' is."""
    made, inside, opens = "", [""], ""
    for found in _STATEMENT.finditer(without_userinfo(text)):
        part = found[0]
        if found["body"]:
            gives, is_secret_one = part.split()[0], _secret_name(part) is not None
            opens = ("secrets" if is_secret_one else "values") if gives in _MAPS else ""
            hides_all = inside[-1] == "secrets"
            part = _all(part, len("default") * part.startswith("default")) if hides_all else _hidden(part)
            part = without_random(part, is_value=True) if inside[-1] == "values" or gives == "set" else part
        elif part == "{":
            inside.append(opens)
        elif part == "}" and len(inside) > 1:
            inside.pop()
        elif part.startswith("#"):
            part = _comment(part)
        made += part
    return made


def masked_tree(text: str) -> str:
    """Return a config in YAML or JSON without its secrets; one that cannot be read without all that it says."""
    text = without_userinfo(text)
    source = Source(Path(), plain(text).replace("\t", " "))
    try:
        spans = dict(sorted(_spans(Value.of(source), "", False)))
    except InputError:
        return re.sub(r"[^\n]+", HIDDEN, text)
    made, at = "", 0
    for (start, end), hides in spans.items():
        if start >= at:
            made += re.sub(r"#[^\n]*", lambda found: _comment(found[0]), text[at:start])
            made += _scalar(text[start:end]) if hides else _wherever(text[start:end])
            at = end
    return made + re.sub(r"#[^\n]*", lambda found: _comment(found[0]), text[at:])


# ---------------------------------------------------------------- directives


def _hidden(directive: str) -> str:
    """Return a directive without what it gives to a name that is secret."""
    if directive.lstrip().startswith("#"):
        return _comment(directive)
    at = _secret_name(directive)
    return _wherever(directive if at is None else _all(directive, at))


def _secret_name(directive: str) -> int | None:
    """Return where the name ends that a directive gives a secret to; None if there is none."""
    words = list(re.finditer(r"\S+", directive))
    if not words:
        return None
    if found := _LOG_INS.match(directive):
        return found.start("rest")
    if assigned := _assigned(directive, words[0].end()):
        return assigned.end()
    if _SILENT.fullmatch(words[0][0]):
        return None
    if _GIVES.fullmatch(words[0][0]):
        return words[0].end()
    begins = words[min(len(words) - 1, words[0][0] in _NAMED)].end()
    return next((one.end() for one in _NAME.finditer(directive, begins) if is_secret(one[1])), None)


def _assigned(line: str, first: int) -> re.Match[str] | None:
    """Return the name of a secret that a line assigns something to, in its first word or as a member of another."""
    for found in _ASSIGNS.finditer(line):
        is_member = line[: found.start()].endswith(".") and not found["pair"]
        if is_secret(found[1]) and (found.start() < first or is_member):
            return found
    return None


def _until(line: str) -> re.Pattern[str] | None:
    """Return where a secret ends that a line of a program begins and does not end: the quotes, or no deeper line."""
    if (found := _LOG_INS.match(line)) and "}" not in found["rest"]:
        return re.compile(r"^(?=\s*\})")
    for given in (one for one in _ASSIGNS.finditer(line) if is_secret(one[1])):
        rest = line[given.end() :].strip()
        if quotes := next((one for one in _QUOTES if rest.count(one) % 2), ""):
            return re.compile(re.escape(quotes))
        is_quoted = re.fullmatch("[\"'`][^)]*", line[given.end(1) : given.end()]) is not None
        if given["pair"]:  # but `if token:` begins a block, as `if get("token"):` does
            is_begun = bool(rest or is_quoted) and _NOTHING_YET.fullmatch(rest) is not None
        else:
            is_begun = not rest or rest.endswith(("(", "["))
        if is_begun:
            return re.compile(rf"^(?=\s{{0,{len(line) - len(line.lstrip())}}}\S)")
    return None


def _all(text: str, at: int) -> str:
    """Return a text of which all behind a place is hidden, if anything is there but what requests fill."""
    if not _HARMLESS.sub("", text[at:]).strip("."):
        return text
    end = len(text.rstrip())
    return text[:at] + " " * (at > 0) + HIDDEN + "\n" * text.count("\n", at, end) + text[end:]


def _comment(text: str) -> str:
    """Return a comment without what it sets, if it is a directive that does not count."""
    begins = len(text) - len(text.lstrip("# \t"))
    for found in re.finditer(r"""["']?([\w-]+)["']?\s*[:=]""", text[begins:]):
        if is_secret(found[1]):
            return _all(text, begins + found.end())
    return text[:begins] + (_hidden if _DIRECTIVE.match(text[begins:]) else _wherever)(text[begins:])


def _wherever(text: str) -> str:
    """Return a text without what is a secret by what it looks like."""
    text = _ANYWHERE.sub(lambda found: " " * found[0].startswith((" ", "\\")) + HIDDEN, text)
    text = _ASSIGNED.sub(lambda one: f"{one['name']}={HIDDEN}" if is_secret(one["name"]) else one[0], text)
    return without_random(text)


# ---------------------------------------------------------------- YAML and JSON


def _spans(value: Value, key: str, hides: bool) -> Iterator[tuple[tuple[int, int], bool]]:
    """Yield where the scalars stand that a value has, and which are secrets."""
    has_secret = any(_key(one) in _NAMES and is_secret(one.value.said) for one in value.entries)
    for entry in value.entries:
        yield (entry.key.token.start, entry.key.token.end), False
        named, inner = _key(entry), entry.value
        is_one = hides or named in _OPAQUE or (is_secret(entry.name) and named != "key")
        is_one = is_one or (has_secret and _VALUES.fullmatch(named) is not None)
        yield from _spans(inner, entry.name, is_one and (hides or not (inner.is_mapping and is_secret(entry.name))))
    for item in value.items:
        yield from _spans(item, key, hides)
    if value.node and not value.is_mapping and not value.items and value.token.end > value.token.start:
        is_none = not _HARMLESS.sub("", value.token.raw) or value.said in ("true", "false", "null", "~")
        is_path = key.lower().endswith("key") and _PATH.fullmatch(value.said)
        yield (value.token.start, value.token.end), hides and not is_none and not is_path


def _key(entry: Entry) -> str:
    return entry.name.replace("_", "").lower()


def _scalar(raw: str) -> str:
    """Return what stands for a scalar that is hidden: in its quotes or below its `|`, with as many lines."""
    if raw[0] in "|>":
        head, _, rest = raw.partition("\n")
        return head + "\n" + re.sub(r"\S[^\n]*", HIDDEN, rest)
    quote = raw[0] if raw[0] in "\"'" else ""
    return f"{quote}{HIDDEN}{quote}" + "\n" * raw.count("\n")
