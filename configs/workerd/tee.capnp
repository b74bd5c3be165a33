# A worker that keeps a copy for its log and reads it as text: body.tee(), then text().
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
    `  async fetch(request, env, ctx) {
    `    const response = await env.UPSTREAM.fetch(request)
    `    if (!response.body) return response
    `    const [sent, kept] = response.body.tee()
    `    ctx.waitUntil(new Response(kept).text())
    `    return new Response(sent, response)
    `  }
    `}
  )],
  bindings = [(name = "UPSTREAM", service = "upstream")],
  compatibilityDate = "2026-09-01",
);
