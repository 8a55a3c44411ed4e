# The start of the stamp of the image at $real; nothing for an image without one. (`read` would take the stamp, one
# long line, byte by byte.)
start_of_stamp() {
    dd if="$real.json" bs=8192 count=1 2>/dev/null
}

# What this CPU lacks that the image needs, by Linux's names: the stamp has them for each target that the image has
# code for. Nothing where one target fits, or this is not known.
lacking() {
    case $stamp in
    *'"cpus":["'*) ;;
    *) return 0 ;;
    esac
    flags=$(grep -m 1 '^flags' /proc/cpuinfo 2>/dev/null) || return 0
    cpus=${stamp#*'"cpus":["'}
    cpus=${cpus%%'"]'*}'","'
    while [ -n "$cpus" ]; do
        lacks=
        for flag in ${cpus%%'","'*}; do
            case "$flags " in
            *" $flag "*) ;;
            *) lacks="$lacks $flag" ;;
            esac
        done
        [ -n "$lacks" ] || return 0
        cpus=${cpus#*'","'}
    done
    printf '%s' "${lacks# }"
}
