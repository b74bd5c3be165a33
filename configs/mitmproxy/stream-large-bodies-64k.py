# stream_large_bodies=64k: the same with a limit that a long answer of a model's reaches.

from mitmproxy import ctx


def load(loader):
    ctx.options.stream_large_bodies = "64k"
