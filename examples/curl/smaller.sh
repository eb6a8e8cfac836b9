#!/bin/bash
# smaller.sh PICTURE RESULT: a signed Assembly with curl and openssl. Needs TRANSLOADIT_KEY and TRANSLOADIT_SECRET.
set -euo pipefail
service=${WORKCELL_URL:-http://127.0.0.1:8080}
expires=$(date -u -d '+5 minutes' '+%Y/%m/%d %H:%M:%S+00:00')
params='{"auth":{"key":"'$TRANSLOADIT_KEY'","expires":"'$expires'"},"steps":{"small":{"robot":"/image/resize","use":":original","width":320,"result":true}}}'
signature=sha384:$(printf %s "$params" | openssl dgst -sha384 -mac HMAC -macopt "hexkey:$(printf %s "$TRANSLOADIT_SECRET" | od -An -vtx1 | tr -d ' \n')" | sed 's/.* //')
field() { python3 -c 'import json,sys; d = json.load(sys.stdin)
for k in sys.argv[1:]: d = d[int(k) if k.isdigit() else k] if k.isdigit() or k in d else ""
print(d)' "$@"; }

status=$(curl -sS "$service/assemblies" -F "params=$params" -F "signature=$signature" -F "file=@$1")
url=$(field assembly_ssl_url <<<"$status")
while ok=$(field ok <<<"$status"); [[ $ok == ASSEMBLY_UPLOADING || $ok == ASSEMBLY_EXECUTING ]]; do
    sleep 0.2
    status=$(curl -sS "$url")
done
if [[ $ok != ASSEMBLY_COMPLETED ]]; then
    echo "$(field error <<<"$status") $(field message <<<"$status")" >&2
    exit 1
fi
curl -sS -o "$2" "$(field results small 0 ssl_url <<<"$status")"
echo "$2: $(field results small 0 meta width <<<"$status") x $(field results small 0 meta height <<<"$status")"
