#!/usr/bin/env bash
# start: the README's first command in a new account: it starts a node and says what to do next; a
# second run builds nothing and starts the same node.
# usage: start.sh SOURCE_DIR
set -eu
source=$1
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
env=(env -u XDG_DATA_HOME "HOME=$home")

# Runs it until it has said everything, and ends it as Ctrl-C does. What the run before said is
# gone first: the shell goes on before its child has opened the file anew.
run() {
	: >"$home/said"
	"${env[@]}" "$source/demo/start" --listen 127.0.0.1:0 --link-listen 127.0.0.1:0 \
		>"$home/said" 2>"$home/log" &
	local pid=$! n=0
	until grep -q "accept a friend's invite" "$home/said"; do
		kill -0 $pid || { cat "$home/said" "$home/log"; exit 1; }
		n=$((n + 1))
		[ $n -lt 600 ] || exit 1
		sleep 0.1
	done
	kill -INT $pid
	wait $pid
}

run
name=$(grep -o '[a-z2-7]\{52\}' "$home/said" | head -1)
grep -Eq '([a-z2-7]{5}-){10}[a-z2-7]{5}' "$home/said"
grep -q 'http://127.0.0.1:' "$home/said"
grep -q 'kith register NAME' "$home/said"
grep -q 'kith invite' "$home/said"
run
grep -q "$name" "$home/said"
! grep -Eq '([a-z2-7]{5}-){10}[a-z2-7]{5}|ninja|Linking' "$home/said"
grep -q 'registration token' "$home/said" # there is still no account
echo secret word | "${env[@]}" "$source/build-release/kith" register alice >/dev/null
run
! grep -q 'registration token' "$home/said"
