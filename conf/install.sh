#!/bin/sh
# `make install`: puts the built suite below DESTDIR. Configuration files that
# exist are kept; the new ones then stand beside them as NAME.dist.
# WITHOUT_SYSTEMD=1 leaves out what is systemd's and installs the init script.
set -eu
: "${DESTDIR=}" "${SBINDIR:?}" "${BINDIR:?}" "${LIBEXECDIR:?}" "${MANDIR:?}" "${DOCDIR:?}"
: "${SYSCONFDIR:?}" "${LOCALSTATEDIR:?}" "${DAEMONS:?}" "${COMMANDS:?}" "${BIN:?}" "${UNITDIR:?}" "${LIBDIR:?}"
etc=$DESTDIR$SYSCONFDIR/posthouse

install -d "$DESTDIR$SBINDIR" "$DESTDIR$BINDIR" "$DESTDIR$LIBEXECDIR/posthouse" "$etc" \
	"$DESTDIR$DOCDIR"
# master gives these to the roles that own them, and makes what is below.
install -d -m 750 "$DESTDIR$LOCALSTATEDIR/spool/posthouse" \
	"$DESTDIR$LOCALSTATEDIR/lib/posthouse" \
	"$DESTDIR$LOCALSTATEDIR/lib/posthouse-dkim" \
	"$DESTDIR$LOCALSTATEDIR/lib/posthouse-feedback" \
	"$DESTDIR$LOCALSTATEDIR/lib/posthouse-policy" \
	"$DESTDIR$LOCALSTATEDIR/lib/posthouse-reports" \
	"$DESTDIR$LOCALSTATEDIR/log/posthouse"
for name in $DAEMONS; do
	install -m 755 "$BIN/$name" "$DESTDIR$LIBEXECDIR/posthouse/$name"
done
for name in $COMMANDS; do
	install -m 755 "$BIN/$name" "$DESTDIR$SBINDIR/$name"
done
# The one program with a right of its own; INSTALL says how when this cannot.
mv "$DESTDIR$SBINDIR/postdrop" "$DESTDIR$LIBEXECDIR/posthouse/postdrop"
group=${POSTDROP_GROUP:-posthouse-postdrop}
if [ "$(id -u)" = 0 ] && getent group "$group" >/dev/null; then
	chgrp "$group" "$DESTDIR$LIBEXECDIR/posthouse/postdrop"
	chmod 2755 "$DESTDIR$LIBEXECDIR/posthouse/postdrop"
else
	echo "postdrop is not setgid yet: see INSTALL, \"A first server\""
fi
# The names and the place that programs have known for decades.
for link in "$BINDIR/mailq" "$BINDIR/newaliases" "$LIBEXECDIR/sendmail"; do
	ln -sf "$SBINDIR/sendmail" "$DESTDIR$link"
done
for name in main.cf master.cf domains users aliases; do
	if [ -e "$etc/$name" ]; then
		install -m 644 "conf/$name" "$etc/$name.dist"
	else
		install -m 644 "conf/$name" "$etc/$name"
	fi
done
[ -e "$etc/passwords" ] || install -m 640 conf/passwords "$etc/passwords"
install -d "$etc/master.d"

# What a system's other parts know of the suite.
part() { # mode, file of conf/dist, place: a file of /etc that exists is kept
	place=$DESTDIR$3
	case $3 in
	"$SYSCONFDIR"/*) [ ! -e "$place" ] || place=$place.dist ;;
	esac
	install -D -m "$1" "conf/dist/$2" "$place"
}
if [ -z "${WITHOUT_SYSTEMD:-}" ]; then
	part 644 posthouse.service "$UNITDIR/posthouse.service"
	part 644 posthouse.sysusers "$LIBDIR/sysusers.d/posthouse.conf"
	part 644 posthouse.tmpfiles "$LIBDIR/tmpfiles.d/posthouse.conf"
else
	part 755 posthouse.init "$SYSCONFDIR/init.d/posthouse"
fi
part 644 posthouse.logrotate "$SYSCONFDIR/logrotate.d/posthouse"
part 644 posthouse.apparmor "$SYSCONFDIR/apparmor.d/posthouse"
part 644 posthouse.ufw "$SYSCONFDIR/ufw/applications.d/posthouse"
part 644 fail2ban-filter.conf "$SYSCONFDIR/fail2ban/filter.d/posthouse.conf"
part 644 fail2ban-jail.conf "$SYSCONFDIR/fail2ban/jail.d/posthouse.conf"

for page in man/*.[0-9]; do
	section=${page##*.}
	install -d "$DESTDIR$MANDIR/man$section"
	install -m 644 "$page" "$DESTDIR$MANDIR/man$section/"
done
for page in mailq newaliases; do
	ln -sf sendmail.1 "$DESTDIR$MANDIR/man1/$page.1"
done
install -m 644 README.md INSTALL CHANGELOG.md LICENSE doc/*.md "$DESTDIR$DOCDIR/"
install -m 644 conf/grafana-dashboard.json conf/prometheus-alerts.yml "$DESTDIR$DOCDIR/"
