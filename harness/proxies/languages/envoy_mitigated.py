"""What a mitigation changes in an Envoy bootstrap: in the route that answers. Pure.

    set    a key of the route (`route.timeout 0s`)
    add    an item of a list at such a key
    drop   such a key; or what filters of some kinds do to the route (`http_filters lua`), as their packages are called

Rules (envoyproxy.io/docs/envoy/latest/intro/arch_overview/http/http_filters, "Route based filter chain"): a filter is
switched off for a route by its name in `typed_per_filter_config`; of route, virtual host and route configuration, the
first that has it counts; one that is `disabled` itself is on only where one of them says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from harness.proxies.languages.base import Change, Wanted
from harness.proxies.languages.yaml_lines import with_item, with_value, without_entry
from harness.proxies.languages.yaml_nodes import Value

_PER_FILTER = "typed_per_filter_config"
_OFF = '{"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}'
_KIND = re.compile(r"\.filters\.http\.(\w+)\.v\d")


def change(root: Value, filters: Value, levels: Sequence[Value], wanted: Wanted) -> Change | None:
    """Return the file that changes so that a line is in effect; None if it is.

    `filters` are those of HTTP that a request meets, `levels` what may say something of them: the route comes first.
    """
    return next(((root.source, text) for text in _texts(root, filters, levels, wanted)), None)


def _texts(root: Value, filters: Value, levels: Sequence[Value], wanted: Wanted) -> Iterator[str]:
    route, said = levels[0], " ".join(wanted.arguments)
    path = wanted.name.split(".")
    text: str | None
    if wanted.verb != "drop":
        text = (with_value if wanted.verb == "set" else with_item)(root, route, path, said)
        yield from [text] if text is not None else []
    elif wanted.name == "http_filters":
        for one in filters.items:
            kind = _KIND.search(one.get("typed_config", "@type").said)
            if kind and kind[1] in wanted.arguments and not _is_off(one, levels):
                text = with_value(root, route, [_PER_FILTER, one.get("name").said], _OFF)
                yield from [text] if text is not None else []
    elif entry := route.get(*path[:-1]).entry(path[-1]):
        yield without_entry(root, entry)


def _is_off(filter_: Value, levels: Sequence[Value]) -> bool:
    name = filter_.get("name").said
    own = next((found for one in levels if (found := one.get(_PER_FILTER, name))), Value(filter_.source))
    if own.get("@type").said.endswith(".FilterConfig") and own.get("disabled"):
        return own.get("disabled").said == "true"
    return not own and filter_.get("disabled").said == "true"
