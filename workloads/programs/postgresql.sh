#!/bin/sh
# PostgreSQL as a workload: each step by name, with the release's own directory of programs.
#
#     postgresql.sh create              make the cluster on the volume           (box)
#     postgresql.sh serve MEMORY_MIB    run the server; ends with it             (box)
#     postgresql.sh fill SCALE          make pgbench's tables                    (box)
#     postgresql.sh bench HOST PORT CLIENTS TRANSACTIONS                         (peer)
#
# The server refuses to run as root, so it runs as its package's user.
set -eu

programs=$(echo /usr/lib/postgresql/*/bin)
data=/volume/postgresql
port=8080

as_postgres() {
    exec setpriv --reuid=postgres --regid=postgres --clear-groups "$@"
}

case ${1:-} in
create)
    install -d -o postgres -g postgres -m 700 "$data"
    # --no-sync: what initdb writes need not survive, and is flushed with the rest if it matters.
    as_postgres "$programs/initdb" --pgdata="$data" --username=postgres --auth=trust \
        --encoding=UTF8 --locale=C --no-sync --no-instructions
    ;;
serve)
    as_postgres "$programs/postgres" -D "$data" \
        -c config_file=/opt/tarebench/postgresql.conf -c shared_buffers="$(($2 / 4))MB"
    ;;
fill)
    exec "$programs/pgbench" --initialize --quiet --scale="$2" \
        --host=/tmp --port="$port" --username=postgres postgres
    ;;
bench)
    exec "$programs/pgbench" --no-vacuum --protocol=prepared --random-seed=20261124 \
        --client="$4" --jobs=1 --transactions="$5" \
        --host="$2" --port="$3" --username=postgres postgres
    ;;
*)
    echo "usage: postgresql.sh create | serve MIB | fill SCALE | bench HOST PORT CLIENTS COUNT" >&2
    exit 2
    ;;
esac
