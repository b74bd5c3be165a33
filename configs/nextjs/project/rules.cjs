// Prints where the rewrites of the project in this folder lead, as Next.js itself reads its config.
const { loadEnvConfig } = require("@next/env");
const { PHASE_DEVELOPMENT_SERVER } = require("next/constants");
const { version } = require("next/package.json");
const { default: loadConfig } = require("next/dist/server/config");

async function rules() {
  loadEnvConfig(process.cwd(), true, { info() {}, error: console.error });
  const config = await loadConfig(PHASE_DEVELOPMENT_SERVER, process.cwd(), { silent: true });
  const said = (await config.rewrites?.()) ?? [];
  const all = Array.isArray(said) ? said : [said.beforeFiles, said.afterFiles, said.fallback].flatMap((some) => some ?? []);
  const below = (one) => (one.basePath === false ? "" : config.basePath ?? "") + one.source;
  return all.map((one) => ({ source: below(one), destination: one.destination }));
}

rules().then((found) => console.log(JSON.stringify({ version, rules: found })));
