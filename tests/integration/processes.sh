#!/bin/bash
# SPDX-License-Identifier: MIT
# Privileged programs as nobody: started, fed, waited for, terminated; and every way in which a start is refused.
# shellcheck source=tests/lib/integration.sh
. "${BASH_SOURCE[0]%/*}/../lib/integration.sh"

exit_with=$(
	script exit-with <<'END'
#!/bin/sh
exit "$1"
END
)
identity=$(
	script identity <<'END'
#!/bin/sh
grep -E '^(Uid|Gid|Groups|NoNewPrivs|Cap...|Seccomp|Sig[BIC].*):' /proc/self/status | tr -s '\t ' ' '
echo "umask: $(umask)"
echo "directory: $(pwd)"
echo "session: $(cut -d' ' -f1,5,6 /proc/$$/stat)"
echo "environment: $(tr '\0' ' ' </proc/$$/environ)"
END
)
stubborn=$(
	script stubborn <<'END'
#!/bin/sh
trap '' TERM
echo ready
while :; do sleep 0.1; done
END
)
polite=$(
	script polite <<'END'
#!/bin/sh
trap 'exit 33' USR1
echo ready
while :; do sleep 0.1; done
END
)
errors=$(
	script errors <<'END'
#!/bin/sh
echo to output
echo to errors >&2
END
)

program exit exec="$exit_with" argument='{int:0-255}' description="ends with the given status"
program true exec=/bin/true
program cat exec=/bin/cat
program errors exec="$errors"
program echo exec=/bin/echo argument=fixed argument='{enum:red|blue}' argument='{name}' argument='{{literal}'
program identity exec="$identity" environment=COLOUR=blue environment=LANG=C umask=027 directory=/var
program identity-root exec="$identity" user=root group=daemon groups="adm tty"
program descriptors exec=/bin/ls argument=/proc/self/fd
program stubborn exec="$stubborn" grace_ms=300
program polite exec="$polite" stop_signal=USR1
program sleep exec=/bin/sleep argument=1000 stop_signal=TERM
program one exec=/bin/sleep argument=1000 instances=1
program roots exec=/bin/true allow=role:administrator
program signal exec=/bin/sh argument=-c argument='kill -KILL $$'

program missing exec="$LAB_DIR/programs/nosuch"
cp /bin/true "$LAB_DIR/programs/notroot" && chown $NOBODY "$LAB_DIR/programs/notroot"
program notroot exec="$LAB_DIR/programs/notroot"
cp /bin/true "$LAB_DIR/programs/writable" && chmod 777 "$LAB_DIR/programs/writable"
program writable exec="$LAB_DIR/programs/writable"
echo text >"$LAB_DIR/programs/text" && chmod 644 "$LAB_DIR/programs/text"
program noexec exec="$LAB_DIR/programs/text"
printf '\1\2\3' >"$LAB_DIR/programs/rubbish" && chmod 755 "$LAB_DIR/programs/rubbish"
program rubbish exec="$LAB_DIR/programs/rubbish"
program badkey exec=/bin/true colour=red
program relative exec=bin/true
program ceiling exec=/bin/true capabilities=cap_sys_module
echo 'exec = /bin/true' >"$BROKER_PROGRAMS/nosection.conf"
program otherwrites exec=/bin/true && chmod 666 "$BROKER_PROGRAMS/otherwrites.conf"

broker_start

# --- Start, standard streams, status -----------------------------------------------------------------------------
for n in 0 1 7 42 255; do
	fails "exit status $n comes back" $n ctl run exit $n
done
is "$(printf 'line 1\nline 2\n' | ctl run cat)" $'line 1\nline 2' "input goes in, output comes out"
is "$(head -c 300000 /dev/zero | ctl run cat | wc -c)" 300000 "300,000 bytes of it"
is "$(ctl run cat </dev/null)" "" "an empty input"
is "$(ctl run errors 2>/dev/null)" "to output" "standard output apart from standard error"
is "$(ctl run errors 2>&1 >/dev/null)" "to errors" "standard error apart from standard output"
is "$(ctl run echo blue some-name </dev/null)" "fixed blue some-name {literal}" "arguments fill the placeholders in order"
rc=0
ctl run signal </dev/null >/dev/null 2>&1 || rc=$?
is "$rc" 137 "a program that a signal ended: 128 and the signal, as shells have it"

id=$(ctl run identity </dev/null)
like "$id" "Uid: $NOBODY $NOBODY $NOBODY $NOBODY" "the program has its entry's uid, in every place"
like "$id" $'Groups: *[2-4][0-9]{9} *\n' "and no supplementary group but its mark"
like "$id" "NoNewPrivs: 1" "and no new privileges"
is "$(grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb)' <<<"$id" | cut -d' ' -f2 | sort -u)" 0000000000000000 "and no capability, in no set"
like "$id" "Seccomp: 0" "and no filter of the broker's"
is "$(sed -n 's/^SigBlk: //p' <<<"$id")" 0000000000000000 "no signal is blocked"
is "$(sed -n 's/^SigIgn: //p' <<<"$id")" 0000000000000000 "and none ignored"
like "$id" "umask: 0027" "the umask is the entry's"
like "$id" "directory: /var"$'\n' "so is the directory"
like "$id" 'session: ([0-9]+) \1 \1'$'\n' "it leads a session and a process group of its own"
is "$(ctl run descriptors </dev/null | tr '\n' ' ')" "0 1 2 3 " "it has standard streams, and no other descriptor (3 is the listing's own)"
like "$id" "environment: COLOUR=blue LANG=C *\$" "its environment is exactly the entry's"
id=$(setpriv --clear-groups "$BIN/rootctl" --socket "$BROKER_SOCKET" run identity-root </dev/null)
like "$id" "Uid: 0 0 0 0" "an entry for root runs as root"
like "$id" "Gid: $(id -g daemon 2>/dev/null || getent group daemon | cut -d: -f3) " "with its group"
is "$(sed -n 's/^CapEff: //p' <<<"$id")" 0000000000000000 "and still without a capability: the ceiling is none"

# --- Refusals ----------------------------------------------------------------------------------------------------
refused() { # refused TEXT WANT PROGRAM [ARG...]
	local text=$1 want=$2
	shift 2
	OUT=$(ctl run "$@" 2>&1 </dev/null) && rc=0 || rc=$?
	isnt "$rc" 0 "$text: refused"
	like "$OUT" "$want" "$text: rootctl says why"
}
refused "a program that is not catalogued" "no such" nosuch
refused "a path instead of a name" "no such|[Ii]nvalid" /bin/true
refused "a program that this user may not start" "policy|refuses|allow" roots
refused "too few arguments" "arguments" exit
refused "too many arguments" "arguments" exit 1 2
refused "a number out of range" "arguments" exit 256
refused "not a number" "arguments" exit 1x
refused "a negative number" "arguments" exit -- -1
refused "not of the enumeration" "arguments" echo green some-name
refused "not a name" "arguments" echo red "a/b"
refused "an argument where none is open" "arguments" true x
refused "a missing file" "missing|executed|No such" missing
refused "a file that root does not own" "own|root" notroot
refused "a file that others may write" "writ" writable
refused "a file that is not executable" "execut" noexec
refused "a file that is no program" "execut" rubbish
refused "an unknown key" "badkey.conf:[0-9]+" badkey
refused "a relative path" "relative.conf:[0-9]+" relative
refused "a capability above the ceiling" "ceiling" ceiling
refused "a key outside of its section" "nosection.conf:[0-9]+" nosection
refused "an entry that others may write" "otherwrites.conf" otherwrites
fails "root may start what the role administrator may" 0 "$BIN/rootctl" --socket "$BROKER_SOCKET" run roots
fails "a user without the right to programs is refused" 126 as_uid 1001 "$BIN/rootctl" --socket "$BROKER_SOCKET" run true
check "the list of programs" ctl programs
like "$OUT" "ends with the given status" "shows what may be started, with its description"
is "$(grep -w roots <<<"$OUT")" "" "and not what may not"
check "the list in JSON" ctl programs --json
check "which is JSON" jq -e . <<<"$OUT"

# --- Many at once, limits ----------------------------------------------------------------------------------------
compile supervisor_load "$ROOT/tests/integration/supervisor_load.c"
begin=$(now_ms)
check "1,000 short programs over 8 connections" as_nobody timeout 120 "$BIN/supervisor_load" "$BROKER_SOCKET" 8 1000 exit
like "$OUT" "right=1000 wrong=0" "gave 1,000 right statuses"
diag "in $(($(now_ms) - begin)) ms"
is "$(pgrep -f "$exit_with" | wc -l)" 0 "no program is left"
is "$(grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l)" 0 "no zombie is left"

# --- Termination -------------------------------------------------------------------------------------------------
programs_named() { # pids whose command line contains the text
	pgrep -f -- "$1" || :
}
compile terminate "$ROOT/tests/integration/terminate.c"
check "a program is terminated by its stop signal, and its status says so" as_nobody "$BIN/terminate" "$BROKER_SOCKET" sleep signal 15 ""
check "by another stop signal, which it handles" as_nobody "$BIN/terminate" "$BROKER_SOCKET" polite exit 33 ready
check "one that ignores its stop signal is killed after its grace" as_nobody "$BIN/terminate" "$BROKER_SOCKET" stubborn signal 9 ready

nobody_starts "$BIN/rootctl" --socket "$BROKER_SOCKET" run one </dev/null
client=$!
check "a program runs" wait_for 5 pgrep -f '^/bin/sleep 1000'
refused "a second instance where one is allowed" "too many" one
kill -KILL $client
wait $client 2>/dev/null || :
check "a client was killed: its program is ended" wait_for 10 not pgrep -f '^/bin/sleep 1000'
nobody_starts "$BIN/rootctl" --socket "$BROKER_SOCKET" run stubborn </dev/null >"$LAB_DIR/stubborn.out"
client=$!
check "another, that ignores its stop signal, runs" wait_for 5 grep -q ready "$LAB_DIR/stubborn.out"
kill -KILL $client
wait $client 2>/dev/null || :
check "its client was killed: it is ended all the same" wait_for 10 not pgrep -f "$stubborn"
nobody_starts "$BIN/rootctl" --socket "$BROKER_SOCKET" run one </dev/null
client=$!
wait_for 5 pgrep -f '^/bin/sleep 1000' || :
broker_finish
wait $client 2>/dev/null || :
is "$(programs_named '^/bin/sleep 1000')" "" "the broker was told to end: no program is left"
done_testing
