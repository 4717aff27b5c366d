# shellcheck shell=sh
# A PostgreSQL of one test run: made in a folder of its own, stopped and removed when whoever started it is gone,
# however that ended: its input is at an end then. Arguments: the folder of PostgreSQL's programs, a port.
set -eu
programs=$1 port=$2
folder=$(mktemp -d "${TMPDIR:-/tmp}/aftercall-postgres-XXXXXX")
trap '' INT TERM HUP
trap 'rm -rf "$folder"' EXIT

start() {
    "$programs/pg_ctl" --wait --silent --pgdata "$folder/data" --log "$folder/log" start >&2 </dev/null
}

printf secret >"$folder/password"
"$programs/initdb" --pgdata "$folder/data" --username aftercall --pwfile "$folder/password" --auth scram-sha-256 \
    --encoding UTF8 --locale C --no-sync >"$folder/log" 2>&1 || { cat "$folder/log" >&2; exit 1; }
cat >>"$folder/data/postgresql.conf" <<END
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
max_connections = 400
shared_buffers = '64MB'
END
start || { cat "$folder/log" >&2; exit 1; }
echo "$folder"
while read -r word; do
    case $word in
        start) start ;;
        stop) "$programs/pg_ctl" --wait --silent --pgdata "$folder/data" --mode immediate stop >&2 ;;
    esac
    echo "$word"
done
"$programs/pg_ctl" --wait --silent --pgdata "$folder/data" --mode immediate stop >&2 || true
