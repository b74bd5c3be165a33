"""Django with its GZipMiddleware: a StreamingHttpResponse over a generator, in a synchronous view."""

# /// script
# dependencies = ["django", "httpx"]
# ///

from __future__ import annotations

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import re_path
from django.views.decorators.csrf import csrf_exempt
from model import ask

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=["django.middleware.gzip.GZipMiddleware"])


@csrf_exempt
def complete(request: HttpRequest) -> StreamingHttpResponse:
    answer = ask(request.method, request.get_full_path(), request.body, request.content_type or None)
    return StreamingHttpResponse(answer.messages, answer.media_type, answer.status, headers=dict(answer.headers))


urlpatterns = [re_path("", complete)]
django.setup()
app = WSGIHandler()
