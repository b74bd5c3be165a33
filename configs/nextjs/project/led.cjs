// A config whose rewrites lead to HARNESS_UPSTREAM where they led to one of HARNESS_ORIGINS, and where they led to
// another, to nobody; all else is the project's.
const { version } = require("next/package.json");
const origins = JSON.parse(process.env.HARNESS_ORIGINS ?? "[]");

const NOBODY = "http://127.0.0.1:1"; // where nobody listens

const lead = (rule) => {
  const [origin] = /^https?:\/\/[^/]+/.exec(rule.destination) ?? [];
  const led = origins.includes(origin) ? process.env.HARNESS_UPSTREAM : NOBODY;
  return origin ? { ...rule, destination: rule.destination.replace(origin, led) } : rule;
};

// Without these, Next.js 16 takes a folder above for its root if there is a lock file, and tells whoever asks at
// /_next/mcp where it lies and what it logs.
const since16 = (config) => ({
  turbopack: { root: process.cwd(), ...config.turbopack },
  experimental: { ...config.experimental, mcpServer: false },
});

module.exports = (theirs) => async (phase, context) => {
  const config = await (typeof theirs === "function" ? theirs(phase, context) : theirs);
  const rewrites = async () => {
    const said = (await config.rewrites?.()) ?? [];
    const led = ([kind, rules]) => [kind, rules?.map(lead)];
    return Array.isArray(said) ? said.map(lead) : Object.fromEntries(Object.entries(said).map(led));
  };
  return { ...config, ...(parseInt(version) >= 16 && since16(config)), rewrites };
};
