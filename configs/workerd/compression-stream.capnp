# A worker that compresses by itself, for who accepts gzip: CompressionStream.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "upstream", external = (address = "${UPSTREAM_ADDRESS}", http = ())),
  ],
  sockets = [(name = "http", address = "${LISTEN}", http = (), service = "main")],
);

const worker :Workerd.Worker = (
  modules = [(name = "worker.js", esModule =
    `export default {
    `  async fetch(request, env) {
    `    const response = await env.UPSTREAM.fetch(request)
    `    if (!/gzip/.test(request.headers.get('Accept-Encoding'))) return response
    `    const compressed = new Response(response.body?.pipeThrough(new CompressionStream('gzip')), {
    `      status: response.status,
    `      headers: response.headers,
    `      encodeBody: 'manual'
    `    })
    `    compressed.headers.set('Content-Encoding', 'gzip')
    `    compressed.headers.delete('Content-Length')
    `    return compressed
    `  }
    `}
  )],
  bindings = [(name = "UPSTREAM", service = "upstream")],
  compatibilityDate = "2026-09-01",
);
