#!/usr/bin/env bash
# Entry point of the Spark image, with the arguments and variables that Spark on Kubernetes gives its containers:
#   executor     an executor; everything about it is in the environment
#   driver ...   the rest of a spark-submit in client mode, as cluster mode starts it
#   anything     is run as it is
set -euo pipefail

name_user() { # Hadoop refuses a user id without a name, which a cluster may have chosen.
  if ! getent passwd "$(id -u)" >/dev/null && [[ -w /etc/passwd ]]; then
    echo "spark:x:$(id -u):$(id -g):Spark:${HOME:-/tmp}:/usr/sbin/nologin" >>/etc/passwd
  fi
}

classpath() { # As of Spark's own scripts: configuration, its jars, what the image adds, Hadoop's configuration.
  local parts=("${SPARK_CONF_DIR:-$SPARK_HOME/conf}" "$SPARK_HOME/jars/*")
  if [[ -n ${SPARK_EXTRA_CLASSPATH-} ]]; then parts+=("$SPARK_EXTRA_CLASSPATH"); fi
  if [[ -n ${HADOOP_CONF_DIR-} ]]; then parts+=("$HADOOP_CONF_DIR"); fi
  local IFS=:
  echo "${parts[*]}"
}

java_options() { # Lines; Spark numbers its JVM options SPARK_JAVA_OPT_0, SPARK_JAVA_OPT_1, ..., and order matters.
  local number=0 name=SPARK_JAVA_OPT_0
  while [[ -v $name ]]; do
    echo "${!name}"
    number=$((number + 1))
    name=SPARK_JAVA_OPT_$number
  done
}

executor() {
  local options
  mapfile -t options < <(java_options)
  exec tini -s -- "$JAVA_HOME/bin/java" "${options[@]}" \
    "-Xms$SPARK_EXECUTOR_MEMORY" "-Xmx$SPARK_EXECUTOR_MEMORY" -cp "$(classpath)" \
    org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend \
    --driver-url "$SPARK_DRIVER_URL" \
    --executor-id "$SPARK_EXECUTOR_ID" \
    --cores "$SPARK_EXECUTOR_CORES" \
    --app-id "$SPARK_APPLICATION_ID" \
    --hostname "$SPARK_EXECUTOR_POD_IP" \
    --resourceProfileId "${SPARK_RESOURCE_PROFILE_ID:-0}" \
    --podName "${SPARK_EXECUTOR_POD_NAME-}"
}

driver() {
  exec tini -s -- "$SPARK_HOME/bin/spark-submit" \
    --conf "spark.driver.bindAddress=$SPARK_DRIVER_BIND_ADDRESS" \
    --conf "spark.executorEnv.SPARK_DRIVER_POD_IP=$SPARK_DRIVER_BIND_ADDRESS" \
    --deploy-mode client "$@"
}

name_user
case ${1-} in
executor) executor ;;
driver)
  shift
  driver "$@"
  ;;
*) exec "$@" ;;
esac
