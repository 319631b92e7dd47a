#!/bin/sh
# `make install`: puts the built suite below DESTDIR. Configuration files that
# exist are kept; the new ones then stand beside them as NAME.dist.
set -eu
: "${DESTDIR=}" "${SBINDIR:?}" "${LIBEXECDIR:?}" "${MANDIR:?}" "${DOCDIR:?}"
: "${SYSCONFDIR:?}" "${LOCALSTATEDIR:?}" "${DAEMONS:?}" "${COMMANDS:?}" "${BIN:?}"
etc=$DESTDIR$SYSCONFDIR/posthouse

install -d "$DESTDIR$SBINDIR" "$DESTDIR$LIBEXECDIR/posthouse" "$etc" \
	"$DESTDIR$DOCDIR"
# master gives these to the roles that own them, and makes what is below.
install -d -m 750 "$DESTDIR$LOCALSTATEDIR/spool/posthouse" \
	"$DESTDIR$LOCALSTATEDIR/lib/posthouse" \
	"$DESTDIR$LOCALSTATEDIR/log/posthouse"
for name in $DAEMONS; do
	install -m 755 "$BIN/$name" "$DESTDIR$LIBEXECDIR/posthouse/$name"
done
for name in $COMMANDS; do
	install -m 755 "$BIN/$name" "$DESTDIR$SBINDIR/$name"
done
for name in main.cf master.cf domains users aliases; do
	if [ -e "$etc/$name" ]; then
		install -m 644 "conf/$name" "$etc/$name.dist"
	else
		install -m 644 "conf/$name" "$etc/$name"
	fi
done
[ -e "$etc/passwords" ] || install -m 640 conf/passwords "$etc/passwords"
for page in man/*.[0-9]; do
	section=${page##*.}
	install -d "$DESTDIR$MANDIR/man$section"
	install -m 644 "$page" "$DESTDIR$MANDIR/man$section/"
done
install -m 644 README.md INSTALL CHANGELOG.md LICENSE doc/*.md "$DESTDIR$DOCDIR/"
