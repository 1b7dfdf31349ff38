# Runs one command so that nothing of it outlives xtask. Arguments: <directory or ""> <signal that
# asks the command to stop> <command…>.
#
# xtask starts this script as the leader of a new process group and holds the other end of its
# standard input. When that pipe closes (xtask is done, was interrupted, or was killed with no
# chance to clean up) the whole group is asked to stop, later forced, and the directory is removed.
directory=$1
stop=$2
shift 2
exec 3<&0 </dev/null
trap : INT TERM HUP QUIT

# The watcher. It ignores the signals that it sends to its own group.
(
    trap '' INT TERM HUP QUIT
    cat <&3
    kill -s "$stop" 0
    patience=100
    while [ "$patience" -gt 0 ] && kill -s 0 "$$"; do
        patience=$((patience - 1))
        sleep 0.1
    done
    if [ -n "$directory" ]; then
        # What left the group but works below the directory, as every backend of PostgreSQL does,
        # and is busy: it would not notice for a long time that its postmaster was killed.
        for stray in $(find /proc/[0-9]*/cwd -lname "$(cd "$directory" && pwd -P)/*"); do
            stray=${stray#/proc/}
            kill -s KILL "${stray%/cwd}"
        done
        rm -rf "$directory"
    fi
    kill -s KILL 0
) >/dev/null 2>&1 &

"$@" 3<&-
status=$?
if [ -d "$directory" ]; then
    echo "$status" >"$directory/exit-status"
fi
exit "$status"
