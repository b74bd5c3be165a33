# A worker that adds a header: new Response(response.body, response).
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
    `    const changed = new Response(response.body, response)
    `    changed.headers.set('X-Seen-By', 'worker')
    `    return changed
    `  }
    `}
  )],
  bindings = [(name = "UPSTREAM", service = "upstream")],
  compatibilityDate = "2026-09-01",
);
