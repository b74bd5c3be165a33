// What varies comes from the environment: where the backend is, whether Next.js compresses, where a build goes.
import { createRequire } from "node:module";

const { UPSTREAM = "http://127.0.0.1:8000", COMPRESS = "true", DIST_DIR = ".next" } = process.env;
const { version } = createRequire(import.meta.url)("next/package.json");

// What 14 and 15, which build with webpack, know nothing of.
const since16 = {
  // Without this, Next.js looks for a lock file in the folders above and takes one of them for its root.
  turbopack: { root: import.meta.dirname },
  // Without these, `next build` may ask the internet for advisories, and stop for one; and `next dev` tells whoever
  // asks at /_next/mcp where it lies and what it logs.
  experimental: { agentUpgrade: false, mcpServer: false },
};

/** @type {import("next").NextConfig} */
const config = {
  compress: COMPRESS === "true",
  distDir: DIST_DIR,
  rewrites: async () => [{ source: "/api/py/:path*", destination: `${UPSTREAM}/:path*` }],
  ...(parseInt(version) >= 16 && since16),
};

export default config;
