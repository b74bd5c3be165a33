"""What users see of a stream, through the frontend and through nginx in front of it."""

import pytest

USERS = ["curl", "browser"]


@pytest.mark.proxies(["nextjs:./web", "nginx:./deploy/nginx.conf>nextjs:./web"], path="/api/chat", request=USERS)
def test_streams_in_development(harness_result, assert_streams):
    assert_streams(harness_result)


@pytest.mark.proxies("nginx:./deploy/nginx.conf>nextjs:./web@build", path="/api/chat", request=USERS)
def test_streams_as_it_is_deployed(harness_result, assert_streams):
    assert_streams(harness_result)
