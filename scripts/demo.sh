#!/usr/bin/env bash
# Serves the metrics of examples/logs until Ctrl-C; LISTEN=host:port or unix:/path changes where.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

bash scripts/make_env.sh

listen="${LISTEN:-127.0.0.1:8001}"
case "$listen" in
unix:*)
    where="the socket ${listen#unix:}"
    page=""
    curl="curl -s --unix-socket ${listen#unix:} http://localhost/metrics"
    ;;
*)
    # A wildcard is no address to go to.
    where="http://${listen/#0.0.0.0:/127.0.0.1:}/metrics"
    page=", status page at ${where%metrics}"
    curl="curl -s $where"
    ;;
esac

cat <<TEXT

Reading examples/logs: two hours of four agents and an Ollama server. The metrics are at

    $where$page

In another terminal, for example:

    $curl | grep '^agent_tool_calls_total'
    $curl | grep '^agent_token_usage_total'
    $curl | grep '^ollama_requests_total'

For logs of your own: .venv/bin/logmetrics watch DIRECTORY. Ctrl-C ends the demo.

TEXT
exec .venv/bin/logmetrics watch examples/logs --no-state ${LISTEN:+--listen "$LISTEN"}
