#!/usr/bin/env bash
# Writes what the images install, exact versions (those of .constraints.txt) with the hashes of all their files, and the
# licences of that. Takes the folder with uv, pip-licenses and the packages themselves; `make lock` calls it.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=$1
images=operator/images
page=docs/reference/licences.md

compile() { # Source, target, further options.
  "$bin/uv" pip compile "$1" --output-file "$images/$2.txt" "${@:3}" --constraint .constraints.txt \
    --python-version 3.11.14 --python-platform linux --generate-hashes --no-header --annotation-style line --quiet
}
compile pyproject.toml operator --extra kafka
compile "$images/spark.in" spark
compile "$images/build.in" build

mapfile -t names < <(sed -nE 's/^([A-Za-z0-9._-]+)==.*/\1/p' "$images/operator.txt" "$images/spark.txt" | sort -u)
{
  echo "# Licences of what the images install"
  echo
  echo "The Python packages of the operator's image and of the Spark image, as they state their licences themselves."
  # shellcheck disable=SC2016 # backticks of Markdown
  echo 'Written by `make lock`; the base images, Java and Debian packages have licences of their own.'
  echo
  "$bin/pip-licenses" --python "$bin/python" --from=mixed --with-system --format=markdown --packages "${names[@]}"
} >"$page"
