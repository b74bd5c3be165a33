# A worker that returns what it fetched.
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
    `  fetch(request, env) {
    `    return env.UPSTREAM.fetch(request)
    `  }
    `}
  )],
  bindings = [(name = "UPSTREAM", service = "upstream")],
  compatibilityDate = "2026-09-01",
);
