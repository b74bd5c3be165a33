"""Which mitigation defeats which buffering layer, measured through real proxies."""
