"""Django with its GZipMiddleware: a StreamingHttpResponse over an async generator."""

# /// script
# dependencies = ["django", "httpx", "starlette"]
# ///

from __future__ import annotations

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.http import StreamingHttpResponse
from django.urls import re_path
from django.views.decorators.csrf import csrf_exempt
from model import ask
from starlette.requests import Request

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=["django.middleware.gzip.GZipMiddleware"])


@csrf_exempt
async def complete(request: ASGIRequest) -> StreamingHttpResponse:
    body = {"type": "http.request", "body": request.body, "more_body": False}

    async def receive() -> dict[str, object]:
        return body

    answer = await ask(Request(request.scope, receive))
    return StreamingHttpResponse(answer.messages, answer.media_type, answer.status, headers=dict(answer.headers))


urlpatterns = [re_path("", complete)]
django.setup()
app = ASGIHandler()
