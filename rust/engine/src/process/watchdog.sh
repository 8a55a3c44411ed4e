# Reads "add GROUP", "del GROUP" and "done" from a pipe; see watchdog.rs. $1 is what the marks of
# the children have in common; then come the folders to remove.
trap '' INT HUP TERM PIPE
# Whatever the user's session made of it.
PATH=$PATH:/usr/bin:/bin
marks=$1
shift
groups=' '
while read -r verb group; do
    case $verb in
    add) groups="$groups$group " ;;
    del) groups="${groups%% $group *} ${groups#* $group }" ;;
    done) exit 0 ;;
    esac
done
for group in $groups; do kill -KILL -- "-$group" 2>/dev/null; done
# Linux: those that left their group are known by their environment. Again until none is found, as
# one may just have started another.
for _ in 1 2 3 4 5 6 7 8 9; do
    found=$(grep -slF -- "$marks" /proc/[0-9]*/environ)
    [ -n "$found" ] || break
    for file in $found; do
        pid=${file#/proc/}
        kill -KILL "${pid%/environ}" 2>/dev/null
    done
done
# A process that is just ending may still write a file or two.
for _ in 1 2 3 4 5; do
    rm -rf -- "$@"
    left=
    for folder; do [ ! -e "$folder" ] || left=$folder; done
    [ -n "$left" ] || exit 0
    # Folders that a child made read-only, as Pkg does with artifacts.
    chmod -R u+rwX -- "$@"
    sleep 0.2
done
