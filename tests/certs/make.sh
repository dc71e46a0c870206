#!/bin/sh
# Makes the certificates of the tests, valid for a hundred years. Run by hand, in this folder, only
# when one has to change; the results are committed.
#
#   ca          the authority that the tests trust
#   other_ca    an authority that they do not trust
#   localhost   leaf of ca for localhost, 127.0.0.1 and ::1
#   other_host  leaf of ca for other.test only
#   expired     leaf of ca for localhost, valid until 2001
#   untrusted   leaf of other_ca for localhost
#   cn_only     leaf of ca with the name in the subject, without alternative names
#   client      leaf of ca for the authentication of clients
#   self_signed leaf for localhost that is its own issuer
#   own_authority  for localhost, as openssl makes it by default: its own issuer, and an authority
#   not_yet     leaf of ca for localhost, valid from 2120
#   other_name  leaf of ca for other.test with localhost as its common name
#   wildcard    leaf of ca for *.wild.test and *.a.wild.test
#   only_ip     leaf of ca for 127.0.0.1 only
#   ip_as_name  leaf of ca with 127.0.0.1 where a DNS name belongs
#   nul_name    leaf of ca for one name: "localhost", a NUL, ".other.test"
set -eu
cd "$(dirname "$0")"
days=36500

authority() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days "$days" \
    -subj "/O=Roundtrip tests/CN=$2" -keyout "$1.key" -out "$1.pem" \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign"
}

# leaf <name> <authority> <subject> <extensions> <options of openssl x509>
leaf() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "$3" \
    -keyout "$1.key" -out "$1.csr"
  printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n%b' "$4" > "$1.ext"
  name=$1 ca=$2
  shift 4
  openssl x509 -req -in "$name.csr" -CA "$ca.pem" -CAkey "$ca.key" -CAcreateserial \
    -extfile "$name.ext" -out "$name.pem" "$@"
  rm "$name.csr" "$name.ext"
}

server='extendedKeyUsage=serverAuth\n'
local_names='subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\n'

authority ca "Test authority"
authority other_ca "Other authority"
leaf localhost ca "/CN=localhost" "$server$local_names" -days "$days"
leaf other_host ca "/CN=other.test" "${server}subjectAltName=DNS:other.test\n" -days "$days"
leaf untrusted other_ca "/CN=localhost" "$server$local_names" -days "$days"
leaf cn_only ca "/CN=localhost" "$server" -days "$days"
leaf client ca "/CN=client" 'extendedKeyUsage=clientAuth\n' -days "$days"

leaf other_name ca "/CN=localhost" "${server}subjectAltName=DNS:other.test\n" -days "$days"
leaf wildcard ca "/CN=wildcard" "${server}subjectAltName=DNS:*.wild.test,DNS:*.a.wild.test\n" \
  -days "$days"
leaf only_ip ca "/CN=localhost" "${server}subjectAltName=IP:127.0.0.1\n" -days "$days"
leaf ip_as_name ca "/CN=127.0.0.1" "${server}subjectAltName=DNS:127.0.0.1\n" -days "$days"
# A sequence of one DNS name of 21 bytes; the configuration cannot write a NUL.
leaf nul_name ca "/CN=nul" \
  "${server}subjectAltName=DER:30178215$(printf 'localhost\000.other.test' | od -An -v -tx1 | tr -d ' \n')\n" \
  -days "$days"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days "$days" \
  -subj "/CN=localhost" -keyout self_signed.key -out self_signed.pem \
  -addext "basicConstraints=critical,CA:FALSE" -addext "extendedKeyUsage=serverAuth" \
  -addext "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days "$days" \
  -subj "/CN=localhost" -keyout own_authority.key -out own_authority.pem \
  -addext "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"

# openssl x509 cannot set dates before version 3.4, openssl ca can.
# dated <name> <first day> <last day>
dated() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=localhost" \
    -keyout "$1.key" -out "$1.csr"
  : > index.txt
  printf '[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\npolicy=p\nx509_extensions=e\n[p]\ncommonName=supplied\n[e]\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n%b' \
    "$server$local_names" > "$1.cnf"
  openssl ca -batch -config "$1.cnf" -cert ca.pem -keyfile ca.key -in "$1.csr" -notext \
    -out "$1.pem" -startdate "$2" -enddate "$3"
  rm -f "$1.csr" "$1.cnf" index.txt* [0-9A-F]*.pem
}

dated expired 20000101000000Z 20010101000000Z
dated not_yet 21200101000000Z 21210101000000Z
rm -f ca.srl other_ca.srl
