# A worker that names Brotli, for who accepts it, and lets workerd encode the body.
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
    `    if (!/br/.test(request.headers.get('Accept-Encoding'))) return response
    `    const encoded = new Response(response.body, response)
    `    encoded.headers.set('Content-Encoding', 'br')
    `    return encoded
    `  }
    `}
  )],
  bindings = [(name = "UPSTREAM", service = "upstream")],
  compatibilityDate = "2026-09-01",
);
