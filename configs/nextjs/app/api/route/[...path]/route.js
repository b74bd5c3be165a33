// Hands a stream on from a route handler, as people write it who were told that rewrites hold their tokens.
//
// Towards the backend, fetch() asks for "gzip, deflate" where the client asked for nothing, and it decodes what
// comes. Next.js drops a handler's Content-Encoding and Content-Length, so copying all headers does no harm.

export const dynamic = "force-dynamic";

const HOP_BY_HOP = ["connection", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

async function proxy(request, { params }) {
  const { path } = await params;
  const headers = new Headers(request.headers);
  for (const name of [...HOP_BY_HOP, "content-length", "host"]) headers.delete(name);

  const upstream = await fetch(`${process.env.UPSTREAM}/${path.join("/")}${request.nextUrl.search}`, {
    method: request.method,
    headers,
    body: request.body,
    duplex: "half",
    redirect: "manual",
    cache: "no-store",
    signal: request.signal,
  });
  return new Response(upstream.body, { status: upstream.status, headers: upstream.headers });
}

export { proxy as GET, proxy as POST };
