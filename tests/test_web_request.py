"""The reading of a request from bytes, held against bytes that nobody meant to be one."""

from __future__ import annotations

import io

from hypothesis import example, given, settings
from hypothesis import strategies as st

from logmetrics.serve.connections import Limits
from logmetrics.serve.passwords import credentials
from logmetrics.serve.request import Refused, Request, read_request

LIMITS = Limits()
# Pieces that steer the draw towards what the parser looks at.
PIECES = st.sampled_from(
    b"GET|HEAD|POST| |/|/metrics|?a=1|%|%00|%ff|&|=|;|http://x| HTTP/1.1| HTTP/1.0| HTTP/2|\r\n|\n|\r|:|A|,|\t|\0|\xff|"
    b"Content-Length: 0|Transfer-Encoding: chunked|Connection: close|Authorization: Basic cHJvbTp4".split(b"|")
)
NOISE = st.lists(st.one_of(PIECES, st.binary(max_size=20), st.just(b"x" * 5000)), max_size=30).map(b"".join)
REQUESTS = st.one_of(NOISE, NOISE.map(lambda noise: b"GET /" + noise + b" HTTP/1.1\r\n" + noise + b"\r\n\r\n"))


@settings(max_examples=500, deadline=None)
@given(REQUESTS)
@example(b"GET http://[/ HTTP/1.1\r\n\r\n")
@example(b"GET /?" + b"&" * 4000 + b" HTTP/1.1\r\n\r\n")
@example(b"GET /?" + b"a;" * 2000 + b" HTTP/1.1\r\n\r\n")
@example(b"GET /%uD800%ed%a0%80 HTTP/1.1\r\nAuthorization: Basic \xff\r\n\r\n")
def test_any_bytes_are_a_request_or_refused(data: bytes) -> None:
    """No other exception, never more read than the limits allow, and what comes out is what the app may count on."""
    lines = io.BytesIO(data)
    seen: list[Request] = []
    try:
        request, keep = read_request(lines, LIMITS, "1.2.3.4", lambda request: seen.append(request))
    except Refused as refused:
        assert refused.response.status in (400, 405, 414, 431)
        assert refused.response.body.endswith(b"\n")
        seen and credentials(seen[0].headers.get("authorization"))
    except ConnectionResetError:
        pass
    else:
        assert request.method in ("GET", "HEAD")
        assert request.path.startswith("/")
        assert seen == [request]
        assert isinstance(keep, bool)
        assert all(key == key.lower() and "\n" not in value for key, value in request.headers.items())
        credentials(request.headers.get("authorization"))
    assert lines.tell() <= LIMITS.request_line_bytes + LIMITS.header_bytes + 2


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_any_authorization_is_credentials_or_none(text: str) -> None:
    """A header that is no credentials is like none."""
    found = credentials("Basic " + text)
    assert found is None or (isinstance(found[0], str) and isinstance(found[1], bytes))
