#!/usr/bin/env bash
# The preStop hook that Spark gives executor pods with spark.decommission.enabled=true: tells the executor to hand over
# its blocks, and keeps Kubernetes from stopping it until it has ended or a minute is over.
set -euo pipefail

executor=$(pgrep --oldest --full '^[^ ]*java .*KubernetesExecutorBackend') || exit 0 # it ended already
kill -s PWR "$executor"
timeout 60 tail --pid="$executor" --follow /dev/null || echo "executor $executor did not end within 60 s" >&2
