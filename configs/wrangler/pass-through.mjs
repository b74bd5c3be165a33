// A worker that returns what it fetched.
export default {
  fetch(request) {
    const url = new URL(request.url)
    return fetch('${UPSTREAM}' + url.pathname + url.search, request)
  }
}
