#!/bin/bash
# SPDX-License-Identifier: MIT
# Records that are no records, a second server, sockets that are none, configurations with every kind of mistake.
# shellcheck source=tests/lib/integration.sh
. "${BASH_SOURCE[0]%/*}/../lib/integration.sh"

compile malformed "$ROOT/tests/abuse/malformed.c" "$ROOT"/proto/{wire,codec,proto}.c
broker_config
program true exec=/bin/true
crun_up web
broker_start

# --- Records -----------------------------------------------------------------------------------------------------
frontend=$(process_of frontend)
monitor=$(process_of monitor)
seed=${MALFORMED_SEED:-$RANDOM}
check "malformed records, seed $seed: each ends its own session and no other" \
	as_nobody timeout 200 "$BIN/malformed" "$BROKER_SOCKET" "$seed" "${MALFORMED_COUNT:-3000}"
diag "$(tail -1 <<<"$OUT")"
is "$(process_of frontend)" "$frontend" "the frontend is the same"
is "$(process_of monitor)" "$monitor" "so is the monitor"
is "$(ctl hostname web)" web-host "lookups are answered as ever"
check "programs are started as ever" ctl run true
settled() { [ "$(open_descriptors "$frontend")" -lt 20 ] && [ "$(open_descriptors "$monitor")" -lt 30 ]; }
check "no descriptor of the ended sessions stays open" wait_for 5 settled

# --- Sockets -----------------------------------------------------------------------------------------------------
server() { # server SOCKET [CONFIG]: a server that must not come up
	timeout 20 "$BIN/rootbrokerd" --config "${2:-$BROKER_CONF}" --socket "$1"
}
inode=$(stat -c %i "$BROKER_SOCKET")
fails "a second server on the socket" 1 server "$BROKER_SOCKET"
like "$OUT" "$BROKER_SOCKET" "it names the socket"
like "$OUT" "already|live|listen|serves" "and says that there is a live server"
is "$(stat -c %i "$BROKER_SOCKET")" "$inode" "the first one's socket is untouched"
is "$(ctl hostname web)" web-host "and it serves"

mkdir "$LAB_DIR/sockets"
echo precious >"$LAB_DIR/sockets/file"
fails "a plain file where the socket should be" 1 server "$LAB_DIR/sockets/file"
like "$OUT" "$LAB_DIR/sockets/file" "it names it"
is "$(cat "$LAB_DIR/sockets/file")" precious "and leaves it as it is"
ln -s file "$LAB_DIR/sockets/link"
fails "a symbolic link where the socket should be" 1 server "$LAB_DIR/sockets/link"
is "$(cat "$LAB_DIR/sockets/file")" precious "what it points to is untouched"
fails "a path that is too long for a socket" 1 server "$LAB_DIR/sockets/$(printf 'a%.0s' {1..110})"
fails "a directory that does not exist" 1 server "$LAB_DIR/nosuch/directory/socket"
like "$OUT" "nosuch" "it names it"
is "$(ls "$LAB_DIR/sockets")" file$'\n'link "nothing else was left there"

fails "a client of a socket that is not there" 1 as_nobody "$BIN/rootctl" --socket "$LAB_DIR/sockets/none" ps
like "$OUT" "$LAB_DIR/sockets/none" "is told which"
fails "a client of a plain file" 1 as_nobody "$BIN/rootctl" --socket "$LAB_DIR/sockets/file" ps

# --- Configuration -----------------------------------------------------------------------------------------------
bad=$LAB_DIR/etc/bad.conf

# mistake TEXT WANT SED-SCRIPT: the good configuration changed; a line that contains BAD is where the mistake is
mistake() {
	local text=$1 want=$2 line=
	sed -e "$3" "$BROKER_CONF" >"$bad"
	chmod 644 "$bad"
	line=$(grep -n -m1 '# BAD' "$bad" | cut -d: -f1)
	sed -i 's/ *# BAD$//' "$bad"
	fails "$text: refused" 1 "$BIN/rootbrokerd" --check --config "$bad"
	like "$OUT" "$bad:$line" "$text: file and line are named"
	like "$OUT" "$want" "$text: and what is wrong"
}

check "the good configuration passes --check" "$BIN/rootbrokerd" --check --config "$BROKER_CONF"
mistake "an unknown key" "colour" '/^\[role names\]/a colour = red # BAD'
mistake "an unknown section" "colours" "\$a [colours] # BAD\nred = 1"
mistake "a missing user" "nosuchuser" 's/^users = 1001$/users = nosuchuser # BAD/'
mistake "a missing group" "nosuchgroup" '/^\[role names\]/a groups = nosuchgroup # BAD'
mistake "an unknown right" "everything" 's/^may = hostname$/may = everything # BAD/'
mistake "a key twice" "log_level" '/^log_level/a log_level = info # BAD'
mistake "a level that is none" "loud" 's/^log_level.*/log_level = loud # BAD/'
mistake "a number that is none" "many" '/^\[broker\]/a prefix_min = many # BAD'
mistake "a number out of range" "prefix_min" '/^\[broker\]/a prefix_min = 65 # BAD'
mistake "a relative directory" "run/crun" 's/^directories = .run.crun/directories = run\/crun # BAD/'
mistake "an engine that does not exist" "nosuchengine" "\$a [engine nosuchengine] # BAD\ndirectories = /x"
mistake "a capability that does not exist" "cap_fly" '/^\[broker\]/a capability_ceiling = cap_fly # BAD'
mistake "root as the frontend's user" "frontend_uid|root|0" 's/^frontend_uid.*/frontend_uid = 0 # BAD/'
mistake "a line without a key" "" '/^\[role names\]/a rubbish # BAD'
mistake "an overlong line" "bytes" "/^\[role names\]/a users = $(printf '1 %.0s' {1..9000})# BAD"
sed -e 's/^resolver_uid.*/resolver_uid = 64101/' "$BROKER_CONF" >"$bad"
fails "two processes under one user: refused" 1 "$BIN/rootbrokerd" --check --config "$bad"
like "$OUT" "$bad" "two processes under one user: the file is named"

cp "$BROKER_CONF" "$bad"
chmod 664 "$bad"
fails "a group-writable file: refused" 1 "$BIN/rootbrokerd" --check --config "$bad"
like "$OUT" "$bad.*writ|writ.*$bad" "a group-writable file: named"
chmod 644 "$bad"
chown $NOBODY "$bad"
fails "somebody else's file: refused" 1 "$BIN/rootbrokerd" --check --config "$bad"
like "$OUT" "$bad" "somebody else's file: named"
chown 0 "$bad"
check "the same file in order: passes" "$BIN/rootbrokerd" --check --config "$bad"
fails "a missing file: refused" 1 "$BIN/rootbrokerd" --check --config "$LAB_DIR/etc/nosuch.conf"
like "$OUT" "nosuch.conf" "a missing file: named"
fails "a directory: refused" 1 "$BIN/rootbrokerd" --check --config "$LAB_DIR/etc"
mkdir -m 777 "$LAB_DIR/etc/open"
cp "$BROKER_CONF" "$LAB_DIR/etc/open/rootbroker.conf"
fails "a file in a directory that everybody may write: refused" 1 "$BIN/rootbrokerd" --check --config "$LAB_DIR/etc/open/rootbroker.conf"
like "$OUT" "$LAB_DIR/etc/open" "a file in a directory that everybody may write: the directory is named"

sed -e '/^\[role names\]/a colour = red' "$BROKER_CONF" >"$bad"
fails "a server with a bad configuration does not come up" 1 server "$LAB_DIR/sockets/new" "$bad"
like "$OUT" "$bad:[0-9]+.*colour" "and says why, with file and line"
is "$(ls "$LAB_DIR/sockets")" file$'\n'link "and leaves nothing behind"
for args in --nosuch --config extra; do
	OUT=$("$BIN/rootbrokerd" "$args" 2>&1 </dev/null) && rc=0 || rc=$?
	isnt "$rc" 0 "rootbrokerd $args: refused"
	like "$OUT" "usage|Usage|--help" "rootbrokerd $args: and told how"
done
check "rootbrokerd --help" "$BIN/rootbrokerd" --help
check "rootbrokerd --version" "$BIN/rootbrokerd" --version
fails "rootbrokerd as nobody: refused" 1 as_nobody "$BIN/rootbrokerd" --config "$BROKER_CONF" --socket "$LAB_DIR/sockets/new"
like "$OUT" "root" "rootbrokerd as nobody: told why"

crun_down web
broker_finish
done_testing
