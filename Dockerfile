# The harness with all it measures: nginx, Node.js, the production build of the Next.js app and the environments of the
# applications. compose.yaml runs it.
# There is no browser in it, which would take as much room again: cells that ask for one are `unavailable`.

ARG BASE=node:24-bookworm-slim
FROM ${BASE}

RUN apt-get update \
    && apt-get install --yes --no-install-recommends nginx python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*

# The user's folder is the working directory. With a safe path, nothing in it is imported in place of the package:
# it often is a checkout of this very project.
ENV PYTHONSAFEPATH=1 \
    HARNESS_CACHE=/opt/harness/cache \
    PATH=/opt/harness/bin:$PATH

WORKDIR /usr/src/harness
COPY pyproject.toml README.md ./
COPY configs configs
COPY harness harness
RUN --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv /opt/harness \
    && pip install --disable-pip-version-check '.[h2]'

# Every Next.js instance builds inside the app, whose folder is named by a digest. Under a fixed name, compose.yaml can
# mount a writable place there. What set-up makes is its user's alone, and another one runs here.
RUN --mount=type=cache,target=/root/.npm \
    harness setup proxies \
    && chmod -R go+rX "$HARNESS_CACHE" \
    && ln -s "$HARNESS_CACHE"/programs/nextjs/npm-*/ "$HARNESS_CACHE/nextjs" \
    && install -d -m 1777 "$HARNESS_CACHE/nextjs/.instances"

ENV HOME=/tmp
USER 1000:1000
WORKDIR /work
ENTRYPOINT ["harness"]
CMD ["doctor"]
