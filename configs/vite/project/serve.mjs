// The dev server of the project in this folder, with its own config: where its proxy led to one of HARNESS_ORIGINS, it leads
// to HARNESS_UPSTREAM, and where it led to another, to nobody. With no port it prints where that leads, and ends.
import { createServer, resolveConfig, version } from "vite";

const { HARNESS_PORT: port, HARNESS_UPSTREAM: upstream, HARNESS_ORIGINS = "[]" } = process.env;
const NOBODY = "http://127.0.0.1:1"; // where nobody listens
const origins = JSON.parse(HARNESS_ORIGINS);
const { server } = await resolveConfig({}, "serve");
const proxy = Object.entries(server.proxy ?? {});
const target = (said) => (typeof said === "string" ? said : String(said.target ?? ""));

if (!port) {
  const rules = proxy.map(([source, said]) => ({ source, destination: target(said), by_start: true }));
  console.log(JSON.stringify({ version, rules }));
} else {
  const lead = ([source, said]) => {
    const [origin] = /^(?:https?|wss?):\/\/[^/]+/.exec(target(said)) ?? [];
    const led = origin ? target(said).replace(origin, origins.includes(origin) ? upstream : NOBODY) : target(said);
    return [source, typeof said === "string" ? led : { ...said, target: led }];
  };
  const ours = { host: "127.0.0.1", port: Number(port), strictPort: true, open: false, https: false };
  await (await createServer({ server: { ...ours, proxy: Object.fromEntries(proxy.map(lead)) } })).listen();
}
