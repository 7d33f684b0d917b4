#!/bin/bash
# SPDX-License-Identifier: MIT
# make install into an empty directory: what arrives, that it works from there, that programs build against it, and that
# uninstall takes all of it away.
# shellcheck source=tests/lib/integration.sh
. "${BASH_SOURCE[0]%/*}/../lib/integration.sh"

dest=$LAB_DIR/dest
make_it() {
	make -C "$ROOT" --no-print-directory B="$B" DESTDIR="$dest" prefix=/usr/local "$@" # as it was built
}

if sanitizer_build; then
	fails "a sanitizer build refuses to be installed" 2 make_it SANITIZE=1 install
	is "$(find "$dest" -type f 2>/dev/null)" "" "and installs nothing"
	done_testing
	exit
fi

check "make install" make_it install
for file in bin/rootctl sbin/rootbrokerd libexec/rootbroker/rootbroker-{monitor,frontend,resolver,joiner} include/rootbroker.h \
	lib/librootbroker.so.0 lib/librootbroker.so lib/librootbroker.a lib/pkgconfig/rootbroker.pc \
	share/man/man8/rootbrokerd.8 share/man/man1/rootctl.1 share/man/man5/rootbroker.conf.5 share/man/man3/librootbroker.3 \
	share/man/man7/rootbroker-protocol.7 share/man/man7/rootbroker-security.7; do
	check "$file is there" [ -s "$dest/usr/local/$file" ]
done
check "the configuration is there" [ -s "$dest/etc/rootbroker/rootbroker.conf" ]
check "so is the catalogue's directory" [ -d "$dest/etc/rootbroker/programs.d" ]
is "$(find "$dest" ! -user root)" "" "all of it is root's"
is "$(find "$dest" ! -type l -perm /022)" "" "and nobody else may write any of it"
is "$(find "$dest" -perm /6000)" "" "nothing is set-user-id"
is "$(grep -r -l "$dest" "$dest")" "" "no file contains the path of the staging directory"

pc() {
	PKG_CONFIG_PATH=$dest/usr/local/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$dest pkg-config "$@" rootbroker
}
check "pkg-config knows it" pc --exists
is "$(readelf -d "$dest/usr/local/lib/librootbroker.so" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')" librootbroker.so.0 "the library's soname"
is "$(nm -D --defined-only "$dest/usr/local/lib/librootbroker.so" | awk '$2 != "A" { print $3 }' | sed 's/@.*//' | grep -v '^root[A-Z]')" "" \
	"the library exports root* and nothing else"
is "$(readelf -d "$dest/usr/local/lib/librootbroker.so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')" libc.so.6 "the library needs libc alone"

built=
# shellcheck disable=SC2046 # words
for source in "$ROOT"/client/examples/*.c; do
	name=$(basename "$source" .c)
	check "example $name compiles and links" cc -Wall -Wextra -Werror -o "$LAB_DIR/$name" "$source" $(pc --cflags --libs)
	built=$name
done
isnt "$built" "" "there is an example"
cat >"$LAB_DIR/cplusplus.cc" <<'END'
#include <rootbroker.h>
int main() { return rootConnectTo("/nonexistent/socket") == -2 ? 0 : 1; }
END
# shellcheck disable=SC2046 # words
check "a C++ program compiles and links" g++ -Wall -Wextra -Werror -o "$LAB_DIR/cplusplus" "$LAB_DIR/cplusplus.cc" $(pc --cflags --libs)
check "and runs" env LD_LIBRARY_PATH="$dest/usr/local/lib" "$LAB_DIR/cplusplus"

# The daemon and the command that were installed, with the configuration that was installed.
{
	cat /etc/group
	echo "rootbroker:x:64100:"
} >"$LAB_DIR/group" # a package, or make install without DESTDIR, creates it
mount --bind "$LAB_DIR/group" /etc/group
sed "s|/etc/rootbroker/programs.d|$dest/etc/rootbroker/programs.d|" "$dest/etc/rootbroker/rootbroker.conf" >"$LAB_DIR/shipped.conf"
check "the shipped configuration passes --check" "$dest/usr/local/sbin/rootbrokerd" --check --config "$LAB_DIR/shipped.conf" \
	--libexec "$dest/usr/local/libexec/rootbroker"
mkdir -p "$LAB_DIR/etc"
broker_config
BIN=$dest/usr/local/libexec/rootbroker
mkdir -p "$LAB_DIR/bin"
crun_up web
"$dest/usr/local/sbin/rootbrokerd" --config "$BROKER_CONF" --socket "$BROKER_SOCKET" --libexec "$dest/usr/local/libexec/rootbroker" \
	</dev/null >>"$BROKER_LOG" 2>&1 &
BROKER_PID=$!
installed_ctl() { as_nobody env LD_LIBRARY_PATH="$dest/usr/local/lib" "$dest/usr/local/bin/rootctl" --socket "$BROKER_SOCKET" "$@"; }
check "the installed daemon serves" wait_for 10 installed_ctl hostname web
is "$(installed_ctl hostname web)" web-host "the installed command asks it"
crun_down web
broker_finish

check "make uninstall" make_it uninstall
is "$(find "$dest" ! -type d ! -path "$dest/etc/*")" "" "takes every file away but the administrator's own"
done_testing
