# stream_large_bodies=16m: a body that is known to be larger, or has become so, is passed on as it comes.

from mitmproxy import ctx


def load(loader):
    ctx.options.stream_large_bodies = "16m"
