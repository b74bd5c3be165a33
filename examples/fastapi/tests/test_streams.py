"""What users see of a stream, through nginx as it is deployed."""

import pytest
from chat_api import app, model

NGINX = "nginx:./deploy/nginx.conf"
QUESTION = {"text": "why is the sky blue?"}


@pytest.mark.proxies(NGINX, path="/api/chat", request=["curl", "browser"], mitigations="no-transform+x-accel-buffering")
def test_nginx_heeds_our_headers(harness_result, assert_streams):
    assert_streams(harness_result)


def test_an_answer_comes_word_by_word(measure, assert_streams):
    assert_streams(measure(NGINX, app=app, path="/api/chat", json=QUESTION))


def test_so_does_that_of_another_model(measure, assert_streams):
    async def curt(text):
        for word in ("Nobody", "knows", "."):
            yield word

    app.dependency_overrides[model] = lambda: curt
    try:
        assert_streams(measure(NGINX, app=app, path="/api/chat", json=QUESTION))
    finally:
        app.dependency_overrides.clear()
