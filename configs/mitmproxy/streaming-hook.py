# flow.response.stream = True for all responses, as in the manual's example http-stream-simple.


def responseheaders(flow):
    flow.response.stream = True
