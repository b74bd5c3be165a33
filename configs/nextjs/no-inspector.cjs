// Loaded before `next dev`, which opens the inspector, and with it any code's way in, for whoever asks it to at
// /__nextjs_attach-nodejs-inspector; no setting of Next.js forbids that. It answers now that the port is taken.
require("node:inspector").open = () => {};
