#!/bin/sh
# Makes a private certificate authority and certificates by it, with openssl:
#
#     deploy/make-certificates.sh FOLDER master NAME…    for a master that others call by these names or addresses
#     deploy/make-certificates.sh FOLDER worker ID       for a worker, in place of a token (TLS_CLIENT_CA)
#
# FOLDER gets ca.crt and ca.key (made once), and master.crt, master.key or worker-ID.crt, worker-ID.key. Only the owner can read
# the keys. Whoever has ca.key can make certificates that your masters and workers trust: keep it off the machines that serve.
# Certificates are valid for a year, the authority for ten.
set -eu

usage() {
    sed -n '4,5s/^#  *//p' "$0" >&2
    exit 2
}

fail() {
    echo "make-certificates.sh: $1" >&2
    exit 1
}

[ $# -ge 3 ] || usage
folder=$1
kind=$2
shift 2
command -v openssl >/dev/null || fail 'openssl is not installed (apt install openssl)'

case $kind in
    master)
        name=master
        subject=/CN=pulselane-master
        names=
        for each in "$@"; do
            case $each in
                *[!A-Za-z0-9.:*_-]*) fail "\"$each\": expected a host name or an address" ;;
                *:*) names="$names,IP:$each" ;;
                *[!0-9.]*) names="$names,DNS:$each" ;;
                *) names="$names,IP:$each" ;;
            esac
        done
        names=${names#,}
        # It also calls workers that wait for it, and shows the same certificate there.
        usage=serverAuth,clientAuth
        ;;
    worker)
        [ $# -eq 1 ] || usage
        case $1 in
            *[!A-Za-z0-9._-]*) fail "\"$1\": expected a worker's id of letters, digits, \".\", \"_\" and \"-\"" ;;
        esac
        name=worker-$1
        subject=/CN=$1
        names=DNS:$1
        usage=clientAuth
        ;;
    *) usage ;;
esac

# openssl with its own words only where it fails.
quiet_openssl() {
    words=$(openssl "$@" 2>&1) || { printf '%s\n' "$words" >&2; return 1; }
}

umask 077
mkdir -p "$folder"
cd "$folder"
[ ! -e "$name.key" ] || fail "$folder/$name.key exists: move it away to make another"

if [ ! -e ca.key ]; then
    quiet_openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -days 3650 \
        -subj '/CN=Pulselane private authority' \
        -addext basicConstraints=critical,CA:true,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign \
        -keyout ca.key -out ca.crt || fail 'openssl could not make the authority'
fi

extensions=$(mktemp)
unfinished=$name.key
trap 'rm -f "$extensions" "$name.csr" $unfinished' EXIT
cat >"$extensions" <<END
basicConstraints=critical,CA:false
keyUsage=critical,digitalSignature
extendedKeyUsage=$usage
subjectAltName=$names
END
quiet_openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$subject" \
    -keyout "$name.key" -out "$name.csr" || fail 'openssl could not make a key'
quiet_openssl x509 -req -sha256 -days 365 -in "$name.csr" -CA ca.crt -CAkey ca.key -CAcreateserial \
    -extfile "$extensions" -out "$name.crt" || fail "openssl could not sign the certificate of $names"
unfinished=
chmod 644 ca.crt "$name.crt"
echo "$folder: ca.crt, $name.crt, $name.key ($names)"
