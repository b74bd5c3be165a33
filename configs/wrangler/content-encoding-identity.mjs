// A worker that says Content-Encoding: identity, the workaround of workers-sdk#8004.
export default {
  async fetch(request) {
    const url = new URL(request.url)
    const response = await fetch('${UPSTREAM}' + url.pathname + url.search, request)
    const plain = new Response(response.body, response)
    plain.headers.set('Content-Encoding', 'identity')
    return plain
  }
}
