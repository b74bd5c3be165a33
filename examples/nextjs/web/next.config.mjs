const backend = process.env.BACKEND_URL ?? "http://localhost:8000";

/** @type {import("next").NextConfig} */
export default {
  compress: false, // what Next.js compresses for a browser it holds until its end; nginx compresses what is no stream
  rewrites: async () => [{ source: "/api/:path*", destination: `${backend}/api/:path*` }],
};
