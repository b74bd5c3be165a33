# flow.response.stream is a function that all data goes through, as in the manual's example http-stream-modify.


def modify(data):
    return data.replace(b"data: secret", b"data: ******")


def responseheaders(flow):
    flow.response.stream = modify
