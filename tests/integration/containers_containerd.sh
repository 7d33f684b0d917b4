#!/bin/bash
# SPDX-License-Identifier: MIT
# Containers of containerd: those of ctr, in several namespaces, and Kubernetes' pods, laid out as its CRI plugin does it.
# shellcheck source=tests/lib/integration.sh
. "${BASH_SOURCE[0]%/*}/../lib/integration.sh"
# shellcheck source=tests/lib/lookups.sh
. "$ROOT/tests/lib/lookups.sh"

check "no directory of containerd is there when the broker starts" [ ! -e /run/containerd ]
broker_start
containerd_start

ctr_run default/web
told containerd default/web "the first container, before which no directory existed" web
told containerd default/web "narrowed to its engine" containerd:web
is "$(ps_count "$(engine_pid containerd default/web)")" 1 "it is one container, though runc knows it, too"
ctr_task default/web pause
is "$(state_of containerd web)" paused "paused"
told containerd default/web "paused" web
ctr_task default/web resume
set_hostname "$(engine_pid containerd default/web)" changed
is "$(ctl hostname web)" changed "a changed hostname is seen at once"

for i in 1 2; do
	ctr_task default/web rm -f >/dev/null 2>&1 || :
	told_error unknown web "without a task it does not exist ($i)"
	ctr_task default/web start -d
	told containerd default/web "a new task ($i)" web
done

kill_init "$(engine_pid containerd default/web)"
told_error stopped web "its init was killed a moment ago"
check "a stopped container can be inspected" ctl inspect web
like "$OUT" stopped "and shows as stopped"
ctr_down default/web
told_error unknown web "removed"

ctr_run default/web
ctr_run other/web other-host
told_error ambiguous containerd:web "one id in two namespaces"
told containerd other/web "told apart by the namespace" other/web
ctr_down default/web
told containerd other/web "one of the two is gone" web
ctr_run other/web-10
ctr_down other/web
told_error unknown web "a name has no prefixes: its neighbour is not taken for it"
ctr_down other/web-10

ctr_run default/lean "" . --runc-binary crun
told containerd default/lean "a container that crun runs for containerd" lean
ctr_down default/lean
told_error unknown lean "removed"

ctr_run default/called "" '.annotations = { "nerdctl/name": "nice" }'
told containerd default/called "by the name that nerdctl gave it" nice
told containerd default/called "by its id" called
ctr_down default/called

# Two pods of one name in two namespaces of Kubernetes.
s=$(printf 'a1%.0s' {1..32}) c=$(printf 'b1%.0s' {1..32}) s2=$(printf 'a2%.0s' {1..32}) c2=$(printf 'b2%.0s' {1..32})
cri_pod prod web-abc12 app "$s" "$c"
cri_pod test web-abc12 app "$s2" "$c2"
told containerd "k8s.io/$c" "a container of a pod" prod/web-abc12/app
told containerd "k8s.io/$s" "its sandbox" prod/web-abc12
told containerd "k8s.io/$c2" "its namesake in another namespace" test/web-abc12/app
told containerd "k8s.io/$c" "by its full id" "$c"
told containerd "k8s.io/$c" "by 12 bytes of its id" "${c:0:12}"
is "$(ctl hostname prod/web-abc12/app)" web-abc12 "its hostname is the pod's"
told_error unknown web-abc12 "a pod alone is no name: there may be several"
told_error unknown prod/web-abc12/ap "the beginning of a name is none"
ctr_down "k8s.io/$c"
told_error unknown prod/web-abc12/app "removed from its pod"
told containerd "k8s.io/$s" "whose sandbox is still there" prod/web-abc12

# The daemon dies, the containers do not; another one finds them again.
containerd_end KILL
is "$(ctl hostname prod/web-abc12)" web-abc12 "known while containerd is dead"
containerd_start
told containerd "k8s.io/$s" "and when it is back" prod/web-abc12
broker_stop
broker_start
told containerd "k8s.io/$c2" "running before the broker was" test/web-abc12/app
ctr_down "k8s.io/$c2"
ctr_down "k8s.io/$s2"
ctr_down "k8s.io/$s"
is "$(ctl ps --all --json | jq '[.. | objects | select(.engine? == "containerd")] | length')" 0 "nothing is left when all are removed"

broker_finish
done_testing
