#!/bin/bash
# SPDX-License-Identifier: MIT
# SIGHUP: a good configuration comes into force without a session or a program lost; a bad one changes nothing, and the log says why.
# shellcheck source=tests/lib/integration.sh
. "${BASH_SOURCE[0]%/*}/../lib/integration.sh"

held=$(
	script held <<END
#!/bin/sh
while [ ! -e $LAB_DIR/go ]; do sleep 0.05; done
exit 42
END
)
broker_config
program held exec="$held"
crun_up web
broker_start
as_2000() { as_uid 2000 "$BIN/rootctl" --socket "$BROKER_SOCKET" "$@"; }

nobody_starts "$BIN/rootctl" --socket "$BROKER_SOCKET" run held </dev/null
client=$!
check "a program runs" wait_for 5 pgrep -f "$held"
fails "a user without a role is refused" 1 as_2000 hostname web

monitor=$(process_of monitor)
cp "$BROKER_CONF" "$LAB_DIR/good.conf"
printf '[role more]\nusers = 2000\nmay = hostname\ncolour = red\n' >>"$BROKER_CONF"
kill -HUP "$BROKER_PID"
check "a bad configuration: the log says file, line and why" wait_for 10 grep -E "rootbroker.conf:$(wc -l <"$BROKER_CONF"):.*colour" "$BROKER_LOG"
is "$(process_of monitor)" "$monitor" "and nothing is restarted"
is "$(ctl hostname web)" web-host "the service goes on"
fails "and what the bad configuration would allow is still refused" 1 as_2000 hostname web

cp "$LAB_DIR/good.conf" "$BROKER_CONF"
printf '[role more]\nusers = 2000\nmay = hostname\n' >>"$BROKER_CONF"
program late exec=/bin/echo argument=late
kill -HUP "$BROKER_PID"
check "a good one comes into force" wait_for 10 as_2000 hostname web
is "$(ctl run late </dev/null)" late "a new entry of the catalogue too"
is "$(process_of keeper)" "$BROKER_PID" "the keeper is the same"
touch "$LAB_DIR/go"
wait $client && rc=0 || rc=$?
is "$rc" 42 "the program that ran all the while: its status arrives at its client"

crun_down web
broker_finish
done_testing
