#!/bin/bash
# A real S3 server for tests: one Ceph monitor, one OSD in a sparse file and radosgw, all on loopback
# and all inside DIR. radosgw checks signatures. No manager daemon is needed.
#
#   dev/radosgw.sh start DIR    prints endpoint=..., access=..., secret=..., bucket=..., dots_bucket=...
#   dev/radosgw.sh stop DIR     ends the three daemons by pid and removes DIR
#
# Debian packages: ceph-mon ceph-osd radosgw. Ports are free ones unless MON_PORT and RGW_PORT are set.
# Works as root, the user Debian's packages expect to start the daemons as.
set -eu

say() { echo "radosgw.sh: $*" >&2; }
die() { say "$*"; exit 1; }

free_port() {
    for _ in $(seq 200); do
        local p=$((20000 + RANDOM % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null; then
            echo "$p"
            return
        fi
    done
    die "no free port"
}

# wait_for SECONDS WHAT COMMAND...
wait_for() {
    local left=$(($1 * 5)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || die "$what does not answer; see $dir/log"
        sleep 0.2
    done
}

run() { # run NAME COMMAND...: in the background, out of this script's session
    local name=$1
    shift
    setsid "$@" >"$dir/log/$name.out" 2>&1 </dev/null &
    echo $! >"$dir/$name.pid"
}

ceph_() { ceph --connect-timeout 10 -c "$dir/ceph.conf" -n client.admin "$@"; }

http_up() { (exec 3<>"/dev/tcp/127.0.0.1/$rgw_port") 2>/dev/null; }

# A signed request without any S3 client but curl's own signer (good enough for an empty PUT).
make_bucket() {
    local empty=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    curl -sS --fail --noproxy '*' --max-time 30 --aws-sigv4 aws:amz:us-east-1:s3 \
        -u "$access:$secret" -H "x-amz-content-sha256: $empty" -X PUT \
        "http://127.0.0.1:$rgw_port/$1" >&2
}

start() {
    for tool in ceph-mon ceph-osd radosgw radosgw-admin ceph monmaptool ceph-authtool curl; do
        command -v "$tool" >/dev/null || die "$tool is missing (packages ceph-mon ceph-osd radosgw)"
    done
    [ ! -e "$dir/ceph.conf" ] || die "$dir is in use: stop it first"
    mkdir -p "$dir"/{log,run,mon,osd}
    dir=$(cd "$dir" && pwd)
    mon_port=${MON_PORT:-$(free_port)}
    rgw_port=${RGW_PORT:-$(free_port)}
    access=WORKCELLTEST
    secret=$(od -An -N20 -tx1 /dev/urandom | tr -d ' \n')
    local fsid osd_uuid keyring=$dir/keyring
    fsid=$(cat /proc/sys/kernel/random/uuid)
    osd_uuid=$(cat /proc/sys/kernel/random/uuid)

    cat >"$dir/ceph.conf" <<CONF
[global]
fsid = $fsid
mon initial members = a
mon host = v2:127.0.0.1:$mon_port
public addr = 127.0.0.1
cluster addr = 127.0.0.1
keyring = $keyring
run dir = $dir/run
admin socket =
pid file =
log file = $dir/log/\$name.log
mon cluster log file = $dir/log/cluster.log
auth allow insecure global id reclaim = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 2000
mon warn on pool no redundancy = false
mon data avail crit = 1
[mon.a]
mon data = $dir/mon
mon addr = v2:127.0.0.1:$mon_port
[osd.0]
osd data = $dir/osd
osd objectstore = bluestore
bluestore block size = 4294967296
bluestore block create = true
osd memory target = 939524096
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:$rgw_port
rgw data = $dir/run
rgw enable usage log = false
CONF
    umask 077
    ceph-authtool -C "$keyring" --gen-key -n mon. --cap mon 'allow *' >&2
    ceph-authtool "$keyring" --gen-key -n client.admin \
        --cap mon 'allow *' --cap osd 'allow *' --cap mds 'allow *' --cap mgr 'allow *' >&2
    ceph-authtool "$keyring" --gen-key -n client.rgw --cap mon 'allow rw' --cap osd 'allow rwx' >&2
    ceph-authtool "$keyring" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *' >&2

    monmaptool --create --fsid "$fsid" --addv a "[v2:127.0.0.1:$mon_port]" "$dir/monmap" >&2
    ceph-mon -c "$dir/ceph.conf" --mkfs -i a --monmap "$dir/monmap" --keyring "$keyring" >&2
    run mon ceph-mon -f -c "$dir/ceph.conf" -i a
    wait_for 60 monitor ceph_ mon stat

    ceph_ osd new "$osd_uuid" 0 >&2
    ceph-osd -c "$dir/ceph.conf" -i 0 --mkfs --osd-uuid "$osd_uuid" >>"$dir/log/osd-mkfs" 2>&1
    run osd ceph-osd -f -c "$dir/ceph.conf" -i 0
    wait_for 60 OSD sh -c "ceph --connect-timeout 10 -c '$dir/ceph.conf' osd stat | grep -q '1 up'"

    radosgw-admin -c "$dir/ceph.conf" -n client.rgw user create --uid tester \
        --display-name Tester --access-key "$access" --secret "$secret" >"$dir/log/user" 2>&1 ||
        die "cannot create a user; see $dir/log/user"
    run rgw radosgw -f -c "$dir/ceph.conf" -n client.rgw
    wait_for 60 gateway http_up
    make_bucket workcell-test
    make_bucket workcell.dots.test
    {
        echo "endpoint=http://127.0.0.1:$rgw_port"
        echo "access=$access"
        echo "secret=$secret"
        echo "bucket=workcell-test"
        echo "dots_bucket=workcell.dots.test"
    } | tee "$dir/env"
}

stop() {
    [ -f "$dir/ceph.conf" ] || die "nothing was started in $dir"
    for name in rgw osd mon; do
        local pid exe
        pid=$(cat "$dir/$name.pid" 2>/dev/null) || continue
        # The number may have been given to another program since: look before shooting.
        exe=$(readlink "/proc/$pid/exe" 2>/dev/null) || continue
        case $exe in */ceph-mon | */ceph-osd | */radosgw) ;; *) continue ;; esac
        kill "$pid" 2>/dev/null || continue
        for _ in $(seq 25); do
            kill -0 "$pid" 2>/dev/null || continue 2
            sleep 0.2
        done
        kill -KILL "$pid" 2>/dev/null || true
    done
    rm -rf "$dir"
}

[ $# = 2 ] || die "usage: $0 start|stop DIR"
dir=$2
case $1 in
start)
    trap 'code=$?; [ $code = 0 ] || { say "giving up"; for n in rgw osd mon; do
        [ ! -f "$dir/$n.pid" ] || kill "$(cat "$dir/$n.pid")" 2>/dev/null || true; done; }' EXIT
    start
    ;;
stop) stop ;;
*) die "usage: $0 start|stop DIR" ;;
esac
