#!/usr/bin/env bash
# Every test of Blueshift, with everything it needs installed by itself.
#
#   bash tests/run.sh           the gate: formatting, lints, tidy, all tests, real clients
#   bash tests/run.sh --full    the long suites too
#
# Needs Rust and a C compiler. Installs into a Python environment beside the build output, and Debian packages if it
# may (as root, with apt-get); a client that cannot be installed fails the run rather than being skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

full=0
for argument in "$@"; do
    case "$argument" in
        --full) full=1 ;;
        *) echo "usage: bash tests/run.sh [--full]" >&2; exit 2 ;;
    esac
done

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/blueshift-target}"
export CARGO_INCREMENTAL="${CARGO_INCREMENTAL:-0}"
export CARGO_TERM_COLOR=never
export BLUESHIFT_TEST_FULL="$full"
started=$SECONDS
step() { printf '\n== %s (%d s)\n' "$1" $((SECONDS - started)); }

step "packages"
packages=()
command -v psql >/dev/null || packages+=(postgresql-client)
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql)
command -v openssl >/dev/null || packages+=(openssl)
command -v java >/dev/null || packages+=(default-jdk-headless)
python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
command -v ssh >/dev/null || packages+=(openssh-client)
[ -x /usr/sbin/sshd ] || packages+=(openssh-server)
[ -e /usr/share/java/postgresql.jar ] || packages+=(libpostgresql-jdbc-java)
command -v npm >/dev/null || packages+=(nodejs npm)
command -v sqlsmith >/dev/null || packages+=(sqlsmith)
compgen -G '/usr/lib/*/odbc/psqlodbcw.so' >/dev/null || packages+=(odbc-postgresql)
# The driver's package does not bring the manager that pyodbc opens it with.
compgen -G '/usr/lib/*/libodbc.so.2' >/dev/null || packages+=(unixodbc)
if [ "${#packages[@]}" -gt 0 ]; then
    sudo=""
    [ "$(id -u)" = 0 ] || sudo="sudo"
    $sudo apt-get update -qq
    # No server starts by itself: the tests start those they need.
    $sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi
# A Python environment beside the build output, with what a list of requirements names.
environment() {
    local venv="$CARGO_TARGET_DIR/$1" stamp
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    stamp="$venv/installed-$(cksum < "$2" | cut -d' ' -f1)"
    [ -e "$stamp" ] || "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$2"
    touch "$stamp"
}
environment venv tests/client/requirements.txt
# It asks for an older pyarrow than the one under test, and needs nothing else that is not there.
wrangler=awswrangler==3.17.1
if [ ! -e "$CARGO_TARGET_DIR/venv/installed-$wrangler" ]; then
    "$CARGO_TARGET_DIR/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps "$wrangler"
    touch "$CARGO_TARGET_DIR/venv/installed-$wrangler"
fi
export BLUESHIFT_TEST_PYTHON="$CARGO_TARGET_DIR/venv/bin/python"
# dbt wants other versions of the drivers.
environment venv-dbt tests/client/dbt/requirements.txt
export BLUESHIFT_TEST_DBT="$CARGO_TARGET_DIR/venv-dbt/bin/python"
environment venv-superset tests/client/superset/requirements.txt
export BLUESHIFT_TEST_SUPERSET="$CARGO_TARGET_DIR/venv-superset/bin/python"
environment venv-lake tests/client/lake/requirements.txt
export BLUESHIFT_TEST_LAKE="$CARGO_TARGET_DIR/venv-lake/bin/python"
export BLUESHIFT_TEST_NODE="$CARGO_TARGET_DIR/npm"
if [ ! -e "$BLUESHIFT_TEST_NODE/node_modules/pg" ]; then
    mkdir -p "$BLUESHIFT_TEST_NODE"
    npm install --silent --no-fund --no-audit --prefix "$BLUESHIFT_TEST_NODE" pg@8.23.1
fi

step "formatting"
cargo fmt --all --check

step "build"
cargo build --locked --workspace --all-targets

step "lints"
cargo clippy --locked --workspace --all-targets --quiet -- -D warnings

step "tests"
status=0
cargo test --locked --workspace --no-fail-fast 2>&1 | tee "$CARGO_TARGET_DIR/test-output.txt" || status=$?

step "closing"
passed=$(sed -n 's/^test result: .* \([0-9][0-9]*\) passed.*/\1/p' "$CARGO_TARGET_DIR/test-output.txt" | awk '{n+=$1} END {print n+0}')
failed=$(sed -n 's/^test result: .* \([0-9][0-9]*\) failed.*/\1/p' "$CARGO_TARGET_DIR/test-output.txt" | awk '{n+=$1} END {print n+0}')
[ "$passed" -gt 0 ] || status=1
printf 'seconds: %d\n%d passed, %d failed\n' $((SECONDS - started)) "$passed" "$failed"
exit "$status"
