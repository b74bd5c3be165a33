"""Modules that builds of nginx may be without: which one a directive is of, and where it changes nothing. Pure.

Rules: what serves files, WebDAV or QUIC changes nothing of an answer that is passed on over TCP; what answers by itself
does so in the block that it stands in; what changes an answer does so wherever it is inherited.
Sources: nginx.org/en/docs, at each directive; which modules have to be asked for is in nginx/nginx, auto/options.
"""

from __future__ import annotations

import re
from pathlib import PurePath

_OWN = {
    "stub_status": r"stub_status",
    "sub": r"sub_filter(_\w+)?",
    "gunzip": r"gunzip(_buffers)?",
    "gzip_static": r"gzip_static",
    "slice": r"slice",
    "addition": r"add_(before|after)_body|addition_types",
    "dav": r"dav_(methods|access)|create_full_put_path|min_delete_depth",
    "mp4": r"mp4(_\w+)?",
    "flv": r"flv",
    "random_index": r"random_index",
    "xslt": r"xslt_\w+|xml_entities",
    "image_filter": r"image_filter(_\w+)?",
    "geoip": r"geoip_\w+",
    "perl": r"perl(_\w+)?",
    "v3": r"http3(_\w+)?|quic_\w+",
}
"""Directives of nginx' own modules, by what `--with-http_NAME_module` says when it is built."""
_ADDED = {
    "ngx_brotli": (r"brotli(_filter|_static)?", r"brotli(_\w+)?"),
    "zstd-nginx-module": (r"zstd(_filter|_static)?", r"zstd(_\w+)?"),
    "headers-more-nginx-module": (r"headers_more(_filter)?", r"more_(set|clear)_(input_)?headers"),
    "lua-nginx-module": (r"lua", r"lua_\w+|\w+_by_lua(_file)?"),
    "njs": (r"js", r"js_\w+"),
    "ngx_http_geoip2_module": (r"geoip2", r"geoip2(_\w+)?"),
    "ngx_cache_purge": (r"cache_purge", r"\w+_cache_purge"),
    "ModSecurity-nginx": (r"modsecurity", r"modsecurity(_\w+)?"),
    "ngx_pagespeed": (r"pagespeed", r"pagespeed"),
    "nginx-module-vts": (r"vhost_traffic_status", r"vhost_traffic_status\w*"),
    "what only nginx Plus has": (
        r"auth_jwt",
        r"auth_jwt(_\w+)?|status_zone|zone_sync\w*|health_check|api|sticky\w*",
    ),
}
"""Modules that distributions and users add to nginx: what their files are called, and their directives."""

_MODULES = {f"ngx_http_{name}_module": (rf"{name}(_filter)?", own) for name, own in _OWN.items()} | _ADDED
_FILE = re.compile(r"ngx_(?:http_)?(\w+?)(?:_module)?(?:-debug)?")
_OF_NO_HTTP = re.compile(r"ngx_(stream|mail)_.*|ndk_http_module.*")
"""Files that have no directive of `http`."""

SERVES_FILES = re.compile("|".join(_OWN[name] for name in ("gzip_static", "dav", "random_index", "v3")))
"""Changes nothing of what is passed on, wherever it stands."""
ANSWERS = re.compile("|".join(_OWN[name] for name in ("stub_status", "mp4", "flv")))
"""Answers by itself, in the very block that it stands in."""
FILTERS = re.compile("|".join(_OWN[name] for name in ("sub", "gunzip", "addition", "xslt", "image_filter")))
"""Changes answers of the block that it stands in, and of those within."""


def module_of(directive: str) -> str:
    """Return the module that a directive is of, as far as builds of nginx are without it; else nothing."""
    return next((module for module, (_, own) in _MODULES.items() if re.fullmatch(own, directive)), "")


def is_built_in(module: str, configured: str) -> bool:
    """Tell whether a build of nginx has a module, by what `nginx -V` says of it; not whether it could load it."""
    return re.search(rf"--with-{module.removeprefix('ngx_')}(?![=\w])", configured) is not None


def may_be(module: str, file: str) -> bool:
    """Tell whether a file that `load_module` names may be a module; "" is that of a directive which none here has. A
    file that is of none of them may be whatever people add.
    """
    stem = PurePath(file).stem
    found = _FILE.fullmatch(stem)
    if whose := [one for one, (files, _) in _MODULES.items() if found and re.fullmatch(files, found[1])]:
        return module in whose
    return (not module or module in _ADDED) and not _OF_NO_HTTP.fullmatch(stem)
