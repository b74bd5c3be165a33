"""A StreamingResponse on Mangum, behind a small server that stands for API Gateway: an event for each request."""

# /// script
# dependencies = ["fastapi", "httpx", "mangum"]
# ///

from __future__ import annotations

import asyncio
import base64
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from mangum import Mangum
from model.blocking import ask
from starlette.concurrency import run_in_threadpool

lambda_app = FastAPI()
app = FastAPI()


@lambda_app.api_route("/{path:path}", methods=["GET", "POST"])
async def complete(request: Request) -> StreamingResponse:
    answer = ask(request, await request.body())
    return StreamingResponse(answer.messages, answer.status, answer.headers, answer.media_type)


@app.api_route("/{path:path}", methods=["GET", "POST"])
async def gateway(request: Request) -> Response:
    http = {"method": request.method, "path": request.url.path, "sourceIp": "127.0.0.1"}
    event = {
        "version": "2.0",
        "requestContext": {"http": http},
        "rawQueryString": request.url.query,
        "headers": dict(request.headers),
        "body": base64.b64encode(await request.body()).decode(),
        "isBase64Encoded": True,
    }
    answer = await run_in_threadpool(invoke, event)
    body = base64.b64decode(answer["body"]) if answer["isBase64Encoded"] else answer["body"]
    return Response(body, answer["statusCode"], answer["headers"])


def invoke(event: dict[str, Any]) -> dict[str, Any]:
    """Run the function for one event, as Lambda does: its thread has no other work."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return Mangum(lambda_app, lifespan="off")(event, None)  # type: ignore[arg-type]
    finally:
        loop.close()
