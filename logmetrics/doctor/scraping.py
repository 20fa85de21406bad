"""Can Prometheus scrape it? The doctor tries what Prometheus does, and asks one that runs here how it goes."""

from __future__ import annotations

import gzip
import ipaddress
import json
import socket
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from logmetrics.doctor.findings import Finding, note, ok, problem, unseen, warning
from logmetrics.doctor.loopback import Reply, get
from logmetrics.doctor.machine import Machine
from logmetrics.doctor.ports import listener_at
from logmetrics.doctor.setup import Setup
from logmetrics.errors import LogmetricsError
from logmetrics.present.amounts import seconds, size
from logmetrics.serve.client import Endpoint, endpoint_at, endpoint_of

if TYPE_CHECKING:
    from prometheus_client import Metric

# What Prometheus 2.42 sends. Not its User-Agent or its time-out: by these the daemon knows a scraper, which is shown
# new series as 0 first, and the doctor must not be the one who sees that.
HEADERS = {
    "Accept": "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "Accept-Encoding": "gzip",
}
# Prometheus' default scrape_timeout.
SCRAPE_S_MAX = 10.0
_LOCAL = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "::", ""}  # noqa: S104


def scraping(machine: Machine, setup: Setup) -> list[Finding]:
    """A scrape of each address, and whether Prometheus has it among its targets."""
    endpoints: list[Endpoint] = []
    found: list[Finding] = []
    for address in setup.listen:
        try:
            listener = listener_at(machine, setup.asked.unit, address)
        except LogmetricsError:
            continue  # told where ports are
        if listener is None or not listener.is_logmetrics:
            continue
        endpoints.append(listener.endpoint)
        if listener.wants_certificate:
            found.append(note(f"{listener.endpoint.url} wants a client's certificate, so it was not scraped"))
            continue
        found.append(scrape(listener.endpoint))
    if not endpoints:
        found.append(note("no logmetrics answers, so a scrape could not be tried", "start it, and ask again"))
    targets = endpoints or [endpoint for address in setup.listen if (endpoint := _would_be(address)) is not None]
    return [*found, *_prometheus(setup.asked.prometheus, targets, running=bool(endpoints))]


def _would_be(address: str) -> Endpoint | None:
    host, _, port = address.rpartition(":")
    if address.startswith("unix:") or not port.isdigit() or port == "0":
        return None
    host = host.strip("[]")
    return Endpoint("127.0.0.1" if host in _LOCAL else host, int(port))


def scrape(endpoint: Endpoint) -> Finding:
    """One scrape as Prometheus makes it."""
    url = f"{endpoint.url}/metrics"
    reply = get(endpoint, "/metrics", HEADERS, SCRAPE_S_MAX)
    if reply.error:
        return problem(f"{url}: no answer: {reply.error}", "see the log of logmetrics")
    if reply.status == 503:
        said = reply.body.decode("utf-8", "replace").strip()[:200]
        to_do = "nothing: it answers when what was there at the start is read; --serve-early does not wait"
        return note(f"{url}: {said}", to_do)
    if reply.status == 401:
        return note(
            f"{url} wants a password, so it was not scraped", "Prometheus needs basic_auth with one of its users"
        )
    if reply.status != 200:
        return problem(f"{url} answers {reply.status}", "see the log of logmetrics")
    try:
        body = gzip.decompress(reply.body) if reply.headers.get("content-encoding") == "gzip" else reply.body
        samples = count_samples(body, reply)
    except (OSError, EOFError, ValueError) as error:
        return problem(f"{url}: what it answers is not to be parsed: {error}", "please report this")
    what = f"{url}: {samples:,} samples in {size(len(body))} ({size(len(reply.body))} sent), {seconds(reply.took_s)}"
    if reply.took_s > SCRAPE_S_MAX / 2:
        return warning(f"{what}: close to Prometheus' time-out", "raise scrape_timeout, or lower limits.series")
    return ok(what)


def count_samples(body: bytes, reply: Reply) -> int:
    """The samples of an exposition. Raises ValueError when it is not sound."""
    families: Callable[[str], Iterable[Metric]]
    if reply.headers.get("content-type", "").startswith("application/openmetrics-text"):
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as families
    else:
        from prometheus_client.parser import text_string_to_metric_families as families
    return sum(len(family.samples) for family in families(body.decode("utf-8")))


def _prometheus(url: str, endpoints: Iterable[Endpoint], *, running: bool) -> list[Finding]:
    where, prefix = endpoint_at(url)
    reply = get(where, f"{prefix}/api/v1/targets?state=active")
    tcp = [endpoint for endpoint in endpoints if not endpoint.socket_file]
    if not tcp:
        return [
            note("Prometheus scrapes no Unix sockets", "add an address of TCP with --listen, or a proxy in front of it")
        ]
    to_add = config_for(tcp[0])
    if reply.error:
        return [note(f"no Prometheus answers at {where.url}{prefix} ({reply.error})", f"to scrape it, add {to_add}")]
    try:
        active = json.loads(reply.body)["data"]["activeTargets"] if reply.status == 200 else None
        assert isinstance(active, list)
    except (ValueError, KeyError, TypeError, AssertionError):
        return [
            unseen(
                f"the targets of {where.url}{prefix}", f"it answers {reply.status}", "give its URL: --prometheus URL"
            )
        ]
    found = []
    for endpoint in tcp:
        mine = [target for target in active if isinstance(target, dict) and is_target(target, endpoint)]
        if not mine:
            what = f"Prometheus at {where.url}{prefix} does not scrape {endpoint.url}"
            found.append(warning(what, f"add to its config and reload it: {config_for(endpoint)}"))
        found += [_of_target(target, running=running) for target in mine]
    return found


def _of_target(target: dict[str, Any], *, running: bool) -> Finding:
    job = target.get("labels", {}).get("job", "?")
    what = f"Prometheus scrapes {target.get('scrapeUrl')} (job {job})"
    health, error = target.get("health"), str(target.get("lastError") or "")
    if health == "up":
        took = float(target.get("lastScrapeDuration") or 0)
        return ok(f"{what}: up, last in {seconds(took)} at {_clock(target.get('lastScrape'))}")
    if health == "unknown":
        return note(f"{what}: not scraped yet", "ask again in a minute")
    what += f": down: {error or 'no reason given'}"
    return problem(what, _hint(error)) if running else warning(what, "start logmetrics")


def _hint(error: str) -> str:
    """What to do about what Prometheus says of a target."""
    hints = {
        "401": "its scrape config needs basic_auth with a user of the web config",
        "503": "logmetrics is still reading what was there at its start; ask again in a moment",
        "404": "metrics_path of its scrape config has to be /metrics",
        "connection refused": "listen on an address that Prometheus reaches: --listen, or listen of the config",
        "deadline exceeded": "raise scrape_timeout, or lower limits.series of the config",
        "server gave HTTP response to HTTPS": "take scheme: https out of its scrape config",
        "x509": "its scrape config needs tls_config with the ca_file of the certificate",
        "400": "is TLS on in the web config? then its scrape config needs scheme: https",
    }
    return next((hint for sign, hint in hints.items() if sign in error), "see the log of logmetrics and of Prometheus")


def is_target(target: dict[str, Any], endpoint: Endpoint) -> bool:
    """Whether a target of Prometheus is the server at *endpoint* of this machine."""
    try:
        its = endpoint_of(urlsplit(str(target.get("scrapeUrl", ""))))
    except ValueError:
        return False
    return its.port == endpoint.port and (its.host == endpoint.host or _is_this_machine(its.host))


def _is_this_machine(host: str) -> bool:
    """Names are not looked up: that could go over the network, and take long."""
    name = socket.gethostname().lower()
    if host in _LOCAL | {name, name.partition(".")[0], "host.docker.internal"}:
        return True
    try:
        family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except (OSError, ValueError):
        return False
    return True


def config_for(endpoint: Endpoint) -> str:
    """A scrape config for *endpoint*, as one line of YAML."""
    scheme = ", scheme: https, tls_config: {ca_file: CERT}" if endpoint.is_tls else ""
    return (
        f'scrape_configs: [{{job_name: logmetrics{scheme}, static_configs: [{{targets: ["{endpoint.authority}"]}}]}}]'
    )


def _clock(told: object) -> str:
    """The time of day of a time of Prometheus', which is in its own zone."""
    text = str(told or "")
    return text[11:19] if len(text) > 19 and text[10] == "T" else text
