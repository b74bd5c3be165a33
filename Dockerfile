# Three images, which compose.yaml runs. The last is what is built if none is named.
#
#   backend   the token emitter as people deploy it (docs/deployed.md), and the emulator of clouds: Python and aiohttp
#   nextjs    the Next.js app that passes streams on, under its dev server, to be tried by hand
#   harness   the harness with all it measures: nginx, Node.js, the production build of the Next.js app and the
#             environments of the applications. There is no browser in it, which would take as much room again: cells
#             that ask for one are `unavailable`.

ARG PYTHON=python:3.13-slim-bookworm
ARG NODE=node:24-bookworm-slim

# ---------------------------------------------------------------- backend

FROM ${PYTHON} AS backend-packages
RUN python3 -m venv --without-pip /opt/harness \
    && pip --python /opt/harness/bin/python3 install --no-cache-dir 'aiohttp>=3.11'

FROM ${PYTHON} AS backend
RUN pip uninstall --yes pip
COPY --from=backend-packages /opt/harness /opt/harness
COPY harness /opt/harness/packages/harness
ENV PATH=/opt/harness/bin:$PATH \
    PYTHONPATH=/opt/harness/packages \
    PYTHONSAFEPATH=1 \
    HOME=/tmp
USER 65534:65534
EXPOSE 8080
ENTRYPOINT ["python3", "-m", "harness.backends.public", "--host", "0.0.0.0"]

# ---------------------------------------------------------------- nextjs

FROM ${NODE} AS nextjs-packages
WORKDIR /app
COPY configs/nextjs/16.4/package.json configs/nextjs/16.4/package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund

FROM ${NODE} AS nextjs
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack
WORKDIR /app
COPY --from=nextjs-packages /app ./
COPY configs/nextjs/app app
COPY configs/nextjs/next.config.mjs ./
ENV NEXT_TELEMETRY_DISABLED=1 \
    HOME=/tmp
USER 65534:65534
EXPOSE 8080
ENTRYPOINT ["node", "node_modules/next/dist/bin/next", "dev", "--hostname", "0.0.0.0", "--port", "8080"]

# ---------------------------------------------------------------- harness

FROM ${NODE} AS harness

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
