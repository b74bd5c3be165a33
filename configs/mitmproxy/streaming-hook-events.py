# flow.response.stream = True for event streams only, as the maintainers advise in issue 4469.


def responseheaders(flow):
    flow.response.stream = flow.response.headers.get("content-type", "").startswith("text/event-stream")
