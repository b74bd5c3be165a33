"""What of a config is a secret, and the config without it, with as many lines. Pure.

Rules: what stands behind a name that says so (`is_secret`) is one, to the end of the directive, or of the value in YAML
and JSON; the first word of a line is a directive, and such a name only where something is assigned to it. A value that
a program begins goes on to what closes its quotes and brackets, and while lines are deeper, whatever the first of them
ends with; a call of such a name with a text is one. Wherever they stand, name and password of a URL (before names are
looked for: a password may have one in it), a token behind `Bearer` or `Basic`, a hashed password, `name=value`, what
is given otherwise (given_values.py) and what looks drawn at random (random_words.py) are; sooner in nginx' `set` and
maps. A variable that only requests fill is none, nor is a path of a key. Rather too much is hidden than too little, and
a line of any length is looked through once: such texts come from others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.errors import InputError
from harness.model import HIDDEN, is_secret, without_userinfo
from harness.proxies.languages.given_values import (
    NAMES,
    VALUES,
    end_of_secret_placeholder,
    is_secret_option,
    is_secret_placeholder,
    without_given,
    without_paired,
)
from harness.proxies.languages.random_words import without_random
from harness.proxies.languages.yaml_nodes import Entry, Value, plain
from harness.proxies.source_text import Source

_NAME = re.compile(r"(?<![\w/.-])-{0,2}(?:(?:txn|sess|req|res|proc|check)\.)?([A-Za-z_][\w-]*)(?![\w/-]|\.\w)")
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
_ASSIGNS = re.compile(
    r"""(?<![\w/-])-{0,2}([A-Za-z_][\w-]*)(?:(?P<behind>["'`\])?!]*)\s*(?P<sign>\|\||\?\?|=(?!=)>?|(?P<pair>[:,]))"""
    r"""|(?P<call>\())"""
)
"""A name that is given something, as `os.environ["API_KEY"] =`, or called with something that is written there, or, if
it is a line's first, as `apiKey:`.
"""
_WRITTEN = re.compile(r"""(?:[^"'`()]|\([^"'`()]{0,100}+\)|\(){0,100}+["'`]""")
"""Stands behind what opens a call that has a text among its arguments, and not names and figures alone."""
_PART = re.compile(
    r"""(?P<none>[ \t\r\f]+|(?<![\w.])\#[^\n]*|//[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/)?)|\n\s*"""
    r'''|"""(?:.*?"""|.*)|\'\'\'(?:.*?\'\'\'|.*)|`[^`]*`?|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?|.''',
    re.DOTALL,
)
"""What the value of a program is made of: blanks and comments, ends of lines, quotes, and any other character."""
_GOES_ON = re.compile(r"[+.]|\?\?|\|\|")
"""Begins a line that goes on with the one before."""
_UNFINISHED = frozenset("+|?&.=\\")
"""Ends a line that the next one goes on with."""
_LOG_INS = re.compile(r"\s*basic_?auth\b[^{\n]*\{(?P<rest>[^\n]*)")
"""Caddy's block of names and passwords."""
_MAPPED = re.compile(r"\s*map\b(?P<names>[^\n]*)\{(?P<rest>[^{}\n]*)")
"""Caddy's, whose lines say what a placeholder may be."""
_CLOSES = re.compile(r"^[ \t]*\}", re.MULTILINE)
_NOTHING = re.compile(r"[ \t\r]*(?:\n|\Z|\#|//)")
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
_FIRST = re.compile(r"(?:^|[{\[(,])\s*[\"'`]?$")
"""Stands before a key that is the first of its line or its brackets: with a `:` behind, it begins no block."""
_NAMED_SO = re.compile(r"""\s*["'`]([\w-]+)["'`]""")
_MAPS_OF_CADDY = ("source", "destinations")
"""Keys whose value has placeholders, of which `mappings` and `defaults` have the values."""
_OPAQUE = ("inlinestring", "inlinebytes", "inlinecode", "users")
"""Keys whose values are files, programs or log-ins."""


def masker(proxy: str, suffix: str) -> Callable[[str], str]:
    """Return what leaves the secrets out of a file of a proxy's: data, directives, or else a program."""
    return masked_tree if suffix in _TREES else _OF_DIRECTIVES.get(proxy, masked_program)


def masked(text: str) -> str:
    """Return a config in a language of lines (HAProxy's, Apache's, Caddy's) without its secrets."""
    return _masked(text, is_program=False)


def masked_program(text: str) -> str:
    """Return a program, or a config that is none of the others, without its secrets."""
    return _masked(text, is_program=True)


def _masked(text: str, is_program: bool) -> str:
    text, made, at = without_userinfo(text), "", 0
    text = without_paired(text) if is_program else text
    while at < len(text):
        line = _LINE.match(text, at)
        assert line, "it matches nothing, too"
        end = _end_of_begun(text, *line.span()) if is_program else _end_of_log_ins(text, *line.span())
        made += _hidden(line[0], is_program) + re.sub(r"\S[^\n]*", lambda one: _all(one[0], 0), text[line.end() : end])
        at = end
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


_TREES = (".yaml", ".yml", ".json", ".toml")
_OF_DIRECTIVES = {"nginx": masked_blocks, "haproxy": masked, "apache": masked, "caddy": masked}


# ---------------------------------------------------------------- directives


def _hidden(directive: str, is_program: bool = False) -> str:
    """Return a directive, or a line of a program, without what it gives to a name that is secret."""
    if directive.lstrip().startswith("#"):
        return _comment(directive)
    at = _secret_name(directive, is_program)
    return _wherever(directive if at is None else _all(directive, at))


def _secret_name(directive: str, is_program: bool = False) -> int | None:
    """Return where the name ends that a directive gives a secret to; None if there is none."""
    words = list(re.finditer(r"\S+", directive))
    if not words:
        return None
    if found := _block_of_secrets(directive):
        return found.start("rest")
    if assigned := _assigned(directive, words[0].end()):
        return assigned.end()
    if not is_program and _SILENT.fullmatch(words[0][0]):
        return None
    if _GIVES.fullmatch(words[0][0]):
        return words[0].end()
    begins = words[min(len(words) - 1, words[0][0] in _NAMED)].end()
    named = next((one.end() for one in _NAME.finditer(directive, begins) if is_secret(one[1])), None)
    return end_of_secret_placeholder(directive, begins) if named is None else named


def _assigned(line: str, first: int) -> re.Match[str] | None:
    """Return the name of a secret that a line assigns something to, in its first word or as a member of another."""
    for found in _ASSIGNS.finditer(line):
        is_member = line[found.start() - 1 : found.start()] == "." and not found["pair"]
        if _is_given(found) and (found.start() < first or is_member or found["call"]):
            return found
    return None


def _is_given(found: re.Match[str]) -> bool:
    """Tell whether what is given something is the name of a secret: `key`, too, unless that is given such a name."""
    if not is_secret(found[1]):
        return False
    is_key = found[1].lower() in NAMES
    if found["call"]:
        return not is_key and _WRITTEN.match(found.string, found.end()) is not None
    named = _NAMED_SO.match(found.string, found.end()) if is_key else None
    return not (named and is_secret(named[1]))


def _block_of_secrets(line: str, start: int = 0, end: int | None = None) -> re.Match[str] | None:
    """Return what of a line of Caddy's begins a block of log-ins, or of what a secret may be."""
    end = len(line) if end is None else end
    if found := _LOG_INS.match(line, start, end):
        return found
    found = _MAPPED.match(line, start, end)
    return found if found and is_secret_placeholder(found["names"]) else None


def _end_of_log_ins(text: str, start: int, end: int) -> int:
    """Return where a block of Caddy's ends whose lines are secrets; the end of the line, if it begins none."""
    if (found := _block_of_secrets(text, start, end)) and "}" not in found["rest"]:
        closes = _CLOSES.search(text, end)
        return closes.start() if closes else len(text)
    return end


def _end_of_begun(text: str, start: int, end: int) -> int:
    """Return where a secret ends that a line of a program begins and does not end; the end of the line, if it has none.

    What is given within a value that ends on the line has its end there, too, so that nothing is looked at twice.
    """
    begins = text.rfind("\n", 0, start) + 1
    indent = next((at for at in range(begins, end) if not text[at].isspace()), end) - begins
    at = start
    while given := next((one for one in _ASSIGNS.finditer(text, at, end) if _is_given(one)), None):
        at = given.end()
        if given["call"]:
            at = max(at, _end_of_value(text, given.start("call"), indent, is_call=True))
        elif _is_value(given, begins):
            at = max(at, _end_of_value(text, at, indent))
        if at >= end:
            return at
    return end


def _is_value(given: re.Match[str], begins: int) -> bool:
    """Tell whether a value stands behind a name in a line that begins there: `if token:` begins a block, as
    `if get("token"):` does, but not `token:` alone; `token =>` a function, and in `get(path, session, ...)` the name is
    an argument.
    """
    is_quoted = given["behind"].startswith(("'", '"', "`")) and ")" not in given["behind"]
    begins_block = given["sign"] == ":" and _NOTHING.match(given.string, given.end())
    if begins_block and not given["behind"] and _FIRST.search(given.string[begins : given.start()]):
        begins_block = None
    return is_quoted or not (begins_block or given["sign"] in (",", "=>"))


def _end_of_value(text: str, at: int, indent: int, is_call: bool = False) -> int:
    """Return where a value ends: at what ends it, as a comma, or the bracket that it is in, or the end of a line that
    no line goes on with, be it deeper or not; of a call behind what closes it.
    """
    depth, last = 0, ""
    for part in _PART.finditer(text, at):
        said = part[0]
        if said[0] == "\n":
            is_deeper = len(said) - said.rfind("\n") - 1 > indent
            goes_on = is_deeper or depth or not last or last in _UNFINISHED or _GOES_ON.match(text, part.end())
            if not goes_on:
                return part.start() + 1
        elif not depth and said in (",", ";", ")", "]", "}"):
            return part.start()
        elif not part["none"]:
            depth += (said in ("(", "[", "{")) - (said in (")", "]", "}"))
            last = said[-1]
            if is_call and not depth:
                return part.end()
    return len(text)


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
    return without_random(without_given(text))


# ---------------------------------------------------------------- YAML and JSON


def _spans(value: Value, key: str, hides: bool) -> Iterator[tuple[tuple[int, int], bool]]:
    """Yield where the scalars stand that a value has, and which are secrets."""
    has_secret = any(_key(one) in NAMES and is_secret(one.value.said) for one in value.entries)
    maps_secret = any(
        is_secret_placeholder(of.said)
        for one in value.entries
        if _key(one) in _MAPS_OF_CADDY
        for of in (one.value, *one.value.items)
    )
    for entry in value.entries:
        yield (entry.key.token.start, entry.key.token.end), False
        named, inner = _key(entry), entry.value
        is_one = hides or named in _OPAQUE or (is_secret(entry.name) and named != "key")
        is_one = is_one or is_secret_placeholder(entry.name)
        is_one = is_one or (has_secret and VALUES.fullmatch(named) is not None)
        is_one = is_one or (maps_secret and named in ("mappings", "defaults"))
        yield from _spans(inner, entry.name, is_one and (hides or not (inner.is_mapping and is_secret(entry.name))))
    option = ""
    for item in value.items:
        yield from _spans(item, key, hides or is_secret_option(option))
        option = item.said
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
