"""What an Apache site is put into: the modules that its directives need, and what a server says around it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.proxies.languages.apache_lines import Directive

ROOT = "${INSTALLED}/usr/lib/apache2"
_ALWAYS = ("authn_core", "authz_core", "proxy", "proxy_http")
_NEEDS = {
    "headers": r"header|requestheader",
    "rewrite": r"rewrite\w+",
    "socache_shmcb": r"ssl\w+",
    "ssl": r"ssl\w+",
    "filter": r"filter\w+|addoutputfilterbytype",
    "deflate": r"deflate\w+",
    "brotli": r"brotli\w+",
    "http2": r"h2\w+",
    "alias": r"alias(match)?|redirect\w*|scriptalias\w*",
    "dir": r"directory(index|slash)|fallbackresource",
    "mime": r"add(type|encoding|charset|handler|language|outputfilter|inputfilter)|typesconfig|remove\w+",
    "setenvif": r"setenvif\w*|browsermatch\w*",
    "env": r"(set|unset|pass)env",
    "expires": r"expires\w+",
    "remoteip": r"remoteip\w+",
    "reqtimeout": r"requestreadtimeout",
    "substitute": r"substitute\w*",
    "sed": r"(input|output)sed",
    "buffer": r"buffersize",
    "ext_filter": r"extfilter\w+",
    "macro": r"macro|use",
    "status": r"extendedstatus",
    "access_compat": r"order|allow|deny|satisfy",
    "authz_host": r"require",
    "authz_user": r"require",
    "auth_basic": r"authbasic\w+|authtype",
    "authn_file": r"auth(user|group)file",
    "autoindex": r"index\w+",
    "slotmem_shm": r"balancermember|proxyset",
    "proxy_balancer": r"balancermember|proxyset",
    "lbmethod_byrequests": r"balancermember|proxyset",
    "lbmethod_bytraffic": r"balancermember|proxyset",
    "lbmethod_bybusyness": r"balancermember|proxyset",
}
"""Which modules have which directives (httpd.apache.org/docs/2.4/mod/directives.html)."""
_WORDS = {
    "deflate": r"\bDEFLATE\b",
    "brotli": r"BROTLI_COMPRESS",
    "substitute": r"\bSUBSTITUTE\b",
    "ratelimit": r"RATE_LIMIT",
    "buffer": r"\bBUFFER\b",
    "proxy_wstunnel": r"\bwss?://",
    "http2": r"\bProtocols\b.*\bh2c?\b",
}
"""Which are named by what directives of others say."""

_MPMS = {"mpm_event_module", "mpm_worker_module", "mpm_prefork_module"}


def before(top: Directive, scheme: str) -> Iterator[str]:
    """Yield what is said before a config: what it is put into."""
    for module in dict.fromkeys((*_mpm(top), *_ALWAYS, *_needed(top), *(["ssl"] * (scheme == "https")))):
        yield f"LoadModule {module}_module modules/mod_{module}.so"
    yield from ("ServerName 127.0.0.1", "Listen ${LISTEN}", 'User "#65534"', 'Group "#65534"', "ErrorLog /dev/stderr")
    yield from ('PidFile "${FOLDER}/httpd.pid"', 'DefaultRuntimeDir "${FOLDER}"')
    if scheme == "https":
        yield from ("SSLProxyEngine on", "SSLProxyCheckPeerName off", "SSLProxyCheckPeerCN off")


def _mpm(top: Directive) -> list[str]:
    """Return the module that lets it serve anybody, unless it loads one itself: there can only be one."""
    loaded = {one.arguments[0].said.lower() for one in top.every() if one.name == "loadmodule" and one.arguments}
    return [] if loaded & _MPMS else ["mpm_event"]


def _needed(top: Directive) -> Iterator[str]:
    """Yield the modules that its directives need. If it loads some itself, what asks for one can go without."""
    counted = [*(_unasked(top) if top.loads("loadmodule") else top.every())]
    names = {one.name for one in counted}
    said = "\n".join(" ".join(word.said for word in one.words) for one in counted)
    yield from (name for name, own in _NEEDS.items() if any(re.fullmatch(own, each) for each in names))
    yield from (name for name, own in _WORDS.items() if re.search(own, said))


def _unasked(section: Directive) -> Iterator[Directive]:
    """Yield what is below a section, but for what stands where it is asked whether a module is there."""
    for one in section.inner:
        if one.name != "ifmodule":
            yield one
            yield from _unasked(one)
