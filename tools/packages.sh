# tools/packages.sh - sourced by tools/start and tools/test: installs Debian packages that are missing, and
# only those, so that nothing is fetched where everything is there.

step() { printf '== %s\n' "$*" >&2; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "not root and no sudo: as root, run: apt-get install $wanted"
	fi
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null)" = 'ii ' ]; }

# packages NAME...: a name that the distribution does not have (another architecture) is passed over when it
# begins with a question mark.
packages() {
	wanted=
	for name in "$@"; do
		is_installed "${name#\?}" || wanted="$wanted $name"
	done
	[ -n "$wanted" ] || return 0
	command -v apt-get >/dev/null || die "this is not Debian; install what corresponds to:$wanted"
	log=$(mktemp)
	step "installing$(printf '%s' "$wanted" | tr -d '?')"
	if ! as_root apt-get -qq update >"$log" 2>&1; then
		cat "$log" >&2
		printf '%s: apt-get update failed; trying with what is known\n' "${0##*/}" >&2
	fi
	names=
	for name in $wanted; do
		case $name in
		\?*) apt-cache show "${name#\?}" >/dev/null 2>&1 && names="$names ${name#\?}" ;;
		*) names="$names $name" ;;
		esac
	done
	# shellcheck disable=SC2086 # names are words
	if [ -n "$names" ] && ! as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -qq -y --no-install-recommends install $names >"$log" 2>&1; then
		tail -n 30 "$log" >&2
		rm -f "$log"
		die "the packages could not be installed; the lines above say why"
	fi
	rm -f "$log"
}

# Between these two, installing a server does not start it: tests run their own, on ports of their own.
policy=/usr/sbin/policy-rc.d
held=
hold_services() {
	[ ! -e $policy ] && [ -w "${policy%/*}" ] || return 0
	printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy && held=1
	trap release_services EXIT
}
release_services() {
	[ -z "$held" ] || rm -f $policy
	held=
}

BUILD_PACKAGES='gcc libc6-dev cmake ninja-build pkg-config liburing-dev libwolfssl-dev libyaml-dev
libc-ares-dev libjansson-dev zlib1g-dev liblz4-dev libnghttp2-dev ?libipsec-mb-dev'
