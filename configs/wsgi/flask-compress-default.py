"""Flask with Flask-Compress, as it comes."""

# /// script
# dependencies = ["flask", "flask-compress", "httpx"]
# ///

from __future__ import annotations

from flask import Flask, Response, request
from flask_compress import Compress
from model import ask

app = Flask(__name__)
Compress(app)


@app.route("/<path:path>", methods=["GET", "POST"])
def complete(path: str) -> Response:
    answer = ask(request.method, request.full_path.rstrip("?"), request.get_data(), request.content_type)
    return Response(answer.messages, answer.status, dict(answer.headers), content_type=answer.media_type)
