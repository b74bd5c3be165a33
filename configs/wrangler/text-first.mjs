// A worker that reads the whole text before it answers: await response.text().
export default {
  async fetch(request) {
    const url = new URL(request.url)
    const response = await fetch('${UPSTREAM}' + url.pathname + url.search, request)
    return new Response(await response.text(), response)
  }
}
