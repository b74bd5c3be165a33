# stream_large_bodies=1: whatever has more than one byte is passed on as it comes.

from mitmproxy import ctx


def load(loader):
    ctx.options.stream_large_bodies = "1"
