"""What servers answer to samples that they do not take -> what people can do about it."""

from __future__ import annotations

_OUT_OF_ORDER = """\
Prometheus takes old samples only within its out-of-order window, which is off by default. In prometheus.yml write
    storage: {tsdb: {out_of_order_time_window: 30d}}
with at least the age of the oldest sample, let it read its configuration anew (SIGHUP), and run the same command again;
or shorten the history (--since), or write blocks instead (--tsdb), which may be of any age."""
_OTHER_VALUE = """\
There is another value at the same time. Either the history overlaps what scrapes brought: end it earlier (--until). Or
what is there was made of other logs or rules: delete it first, or give this one another --label instance=..."""
_TENANT = "Name the tenant: --header 'X-Scope-OrgID: TENANT'."
_LOGIN = """\
Put user and password into the URL, http://USER:PASSWORD@HOST/..., or give --header 'Authorization: Bearer TOKEN'."""
_RECEIVER = "Start Prometheus with --web.enable-remote-write-receiver."
_PATH = """\
The path is wrong. It is /api/v1/write for Prometheus and VictoriaMetrics, /api/v1/push for Mimir, /api/v1/receive for
Thanos."""
_LIMIT = "The server limits what one request or tenant may hold; its limits have to be raised."
_NOT_REMOTE_WRITE = "What answers there does not take remote write 1.0 (protobuf in snappy). Is it the right URL?"

# The first text that the answer holds decides.
_TEXTS = {
    "out of bounds": _OUT_OF_ORDER,
    "too old sample": _OUT_OF_ORDER,
    "out of order sample": _OUT_OF_ORDER,
    "out-of-order": _OUT_OF_ORDER,  # Mimir's spelling; there out_of_order_time_window is a limit of a tenant
    "sample-timestamp-too-old": _OUT_OF_ORDER,
    "duplicate sample": _OTHER_VALUE,
    "duplicate-timestamp": _OTHER_VALUE,
    "no org id": _TENANT,
    "remote write receiver needs to be enabled": _RECEIVER,
}
_STATUSES = {
    401: f"{_LOGIN} {_TENANT}",
    403: _LOGIN,
    404: f"{_PATH} An older Prometheus answers so without --web.enable-remote-write-receiver.",
    405: _PATH,
    413: _LIMIT,
    415: _NOT_REMOTE_WRITE,
}


def remote_write(status: int, text: str) -> str:
    """What to do about an answer to a remote write; "" if that is not known."""
    lower = text.lower()
    for part, hint in _TEXTS.items():
        if part in lower:
            return hint
    return _STATUSES.get(status, "")


def query(text: str) -> str:
    """What to do when a server that takes remote write cannot be asked."""
    if "no org id" in text.lower():
        return _TENANT
    return (
        "Before anything is sent, what is there already is asked for. If another server tells that, name it: "
        "--query-url URL; or send without asking: --send-anyway"
    )


def victoria(status: int, text: str) -> str:
    """What to do about an answer of VictoriaMetrics; "" if that is not known."""
    if "unsupported path" in text or status == 404:
        return (
            "Give the URL of VictoriaMetrics without the path of its API: http://HOST:8428, or in a cluster "
            "http://VMINSERT:8480/insert/0/prometheus."
        )
    return _LOGIN if status in (401, 403) else ""
