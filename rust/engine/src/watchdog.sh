# Reads "add GROUP", "del GROUP" and "done" from a pipe; see watchdog.rs. $1 is the work folder.
trap '' INT HUP TERM PIPE
groups=' '
while read -r verb group; do
    case $verb in
    add) groups="$groups$group " ;;
    del) groups="${groups%% $group *} ${groups#* $group }" ;;
    done) exit 0 ;;
    esac
done
for group in $groups; do kill -TERM -- "-$group" 2>/dev/null; done
for group in $groups; do kill -KILL -- "-$group" 2>/dev/null; done
# A process that is just ending may still write a file or two.
for _ in 1 2 3 4 5; do
    rm -rf -- "$1" && [ ! -e "$1" ] && exit 0
    sleep 0.2
done
