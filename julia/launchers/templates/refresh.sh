# The image is kept fresh: it is built anew in the `background`, or `before` Julia starts.
refresh=@MODE@
refresher=@REFRESHER@

@LOOK@
# What is known of the image that is there now, as `julia/watch.jl` writes it.
read_known() {
    state=$real.refresh
    log=$state/log
    known=$state/none
    image_hash=
    artifacts=
    case $stamp in
    *'"image_hash":"'*'"'*)
        image_hash=${stamp#*'"image_hash":"'}
        image_hash=${image_hash%%'"'*}
        known=$state/$image_hash
        ;;
    esac
    if [ -s "$known/artifacts" ]; then artifacts=$(cat "$known/artifacts"); fi
    # Of a build that failed it is told once: by the launcher that moves its message away.
    failure=
    if [ -e "$state/failed/message" ] && mv "$state/failed/message" "$state/failed/told" 2>/dev/null; then
        failure=$(cat "$state/failed/told")
    fi
}

# Whether the image may be another than its project would give now; `reason` says why.
is_stale() {
    reason=
    if [ -n "$gone" ]; then
        reason="the artifact $gone, which it needs, is gone"
    elif ! [ -r "$known/watched" ]; then
        reason='it is not known whether it is what its project would give now'
    elif ! look "$known/watched" | cmp -s - "$known/seen"; then
        look_closer
    fi
    [ -n "$reason" ]
}

# The lines of $1 that the file $2 has not. Where this user may not look others do, who can build the image.
news() {
    printf '%s\n' "$1" | grep -Fxv -f "$2" | grep -v ': Permission denied$'
}

# A file that was only touched is no reason; then its new time is noted. It is taken before the file is read.
look_closer() {
    seen=$(look "$known/watched")
    [ -n "$(news "$seen" "$known/seen")" ] || return
    now=$(contents "$known/watched")
    if printf '%s\n' "$now" | cmp -s - "$known/contents"; then
        if [ -w "$known" ]; then
            printf '%s\n' "$seen" >"$known/seen.$$" && mv -f "$known/seen.$$" "$known/seen"
        fi
        return
    fi
    changed=$(news "$now" "$known/contents" | head -n 1)
    case $changed in
    'cksum: '*)
        changed=${changed#'cksum: '}
        reason="${changed%: *} is gone"
        ;;
    [0-9]*' '[0-9]*' '*) reason="${changed#* * } has changed" ;;
    ?*) reason="$changed is new among the files that went into it" ;;
    *)
        case $now in
        *': Permission denied'*) ;;
        *) reason='a file that went into it is gone' ;;
        esac
        ;;
    esac
}

# Whether a process builds the image anew: `pid`. Of one that is dead `owner` is left.
is_under_way() {
    owner=$(readlink "$state/lock") || return 1
    pid=${owner%%@*}
    if [ "${owner#*@}" != "$(uname -n)" ]; then
        pid="$pid on ${owner#*@}"
        gives_sign_of_life
        return
    fi
    if [ -r /proc/self/cmdline ]; then
        command=$({ tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null)
    else
        command=$(ps -ww -o args= -p "$pid" 2>/dev/null)
    fi
    case $command in
    *'/refresh.jl '*"/${real##*/} "*) ;;
    *) return 1 ;;
    esac
}

# Whether the process of another machine has touched `alive` of late. By the clock of the file system, as those of
# machines differ. Earlier versions touched nothing, so that they are given the time of a long build.
gives_sign_of_life() {
    patience=300
    [ -e "$state/alive" ] || patience=3600
    probe=$state/now.$$
    now=$(touch "$probe" 2>/dev/null && @MODIFIED@ "$probe" 2>/dev/null)
    rm -f "$probe" 2>/dev/null
    for touched in $(@MODIFIED@ "$state/lock" "$state/alive" 2>/dev/null); do
        [ $((${now:-$(date +%s)} - touched)) -lt $patience ] && return
    done
    return 1
}

# Whether a build failed, and nothing has changed since.
has_failed() {
    [ -r "$state/failed/watched" ] && look "$state/failed/watched" | cmp -s - "$state/failed/seen" || return
    [ -s "$state/failed/room" ] || return 0
    # It was for want of room.
    again_with='with more room on the disk, '
    ! [ "$(room "$state")" -ge "$(cat "$state/failed/room")" ] 2>/dev/null
}

# Becomes the process that builds the image anew; ends with 75, and writes the cause to descriptor 3, where it has no
# lock. That is a link to the process and its machine, so that it has its owner from the start; the one of a dead
# process ($owner) is taken over.
build_anew() {
    exec /bin/sh -c '
        state=$1 dead=$2 refresh=$3
        shift 3
        make_lock() { cause=$(ln -s "$$@$(uname -n)" "$state/lock" 2>&1); }
        clear_lock() { cause=$(rm -f "$state/lock" 2>&1); }
        give_up() {
            printf "%s" "${cause##*: }" >&3
            exit 75
        }
        if ! make_lock; then
            [ -n "$dead" ] && [ "$(readlink "$state/lock")" = "$dead" ] && clear_lock && make_lock || give_up
        fi
        # That of another user could not be touched.
        rm -f "$state/alive" 2>/dev/null
        touch "$state/alive" 2>/dev/null
        if [ "$refresh" = background ]; then
            cause=$( (: >"$state/log") 2>&1) || { rm -f "$state/alive" "$state/lock"; give_up; }
            exec >"$state/log" 2>&1
        fi
        exec "$1" --startup-file=no "$2" "$3" "$refresh" 3>&-' \
        sh "$state" "$owner" "$refresh" "$julia" "$refresher" "$real" "$refresh" </dev/null
}

# What is known of an image is kept for launchers that are listed; that this one watches it nobody has said of an image
# to which a link has led only of late.
names_this_launcher() {
    [ -s "$state/launchers" ] || cause=$( (printf '%s' @LAUNCHER@ >"$state/launchers") 2>&1)
}

say_that_it_is_built() {
    say "$why; $without" "process $pid builds it anew (log: $log)"
}

say_that_it_cannot_be_locked() {
    say "$why; it cannot be built anew, as $state takes no lock or log${cause:+ (${cause##*: })}; $without" \
        "make room there, remove $state/lock, or have the image on a file system with symbolic links"
}

# Sees to a stale image; whether it is to be started after all.
is_built_anew() {
    if [ "$refresh" = before ] && is_under_way; then
        printf '%s: waiting for process %s, which builds %s anew (lock: %s)\n' '@NAME@' "$pid" "$image" "$state/lock" >&2
        while is_under_way; do sleep 1; done
        stamp=$(start_of_stamp)
        read_known
        is_stale || return 0
    fi
    why="the sysimage $image may not fit any more: $reason"
    without='starting Julia without it'
    again_with=
    if is_under_way; then
        say_that_it_is_built
    elif has_failed; then
        say "$why; building it anew has failed${failure:+ ($failure)}; $without" \
            "see $log; it is tried again ${again_with}after the next change, or by \`refresh_sysimage\`"
    elif ! mkdir -p "$state" 2>/dev/null || ! [ -w "$state" ]; then
        say "$why; $without" "let somebody build it anew who may write into ${state%/*}"
    elif ! [ -r "$refresher" ]; then
        say "$why; $without" "PackageCompilerRS is gone ($refresher): $again"
    elif ! names_this_launcher; then
        say_that_it_cannot_be_locked
    elif [ "$refresh" = background ]; then
        # Until there is a lock; the build outlives this terminal, and Julia leaves the session as soon as it runs.
        # Nobody who reads what this launcher writes is to wait for it (`build_anew >/dev/null &` would leave dash a
        # copy of where it goes).
        cause=$(
            trap '' HUP
            exec 3>&1 >/dev/null 2>&1
            build_anew &
        )
        if [ -z "$cause" ]; then
            say "$why; ${failure:+the last build failed ($failure); }$without" \
                "it is built anew in the background (log: $log)"
        elif is_under_way; then
            say_that_it_is_built
        else
            say_that_it_cannot_be_locked
        fi
    else
        printf '%s: %s; building it anew\n' '@NAME@' "$why" >&2
        cause=$(
            exec 3>&1 >&2
            build_anew
        )
        code=$?
        stamp=$(start_of_stamp)
        read_known
        if [ "$code" = 75 ] && { is_under_way || has_failed; }; then
            is_built_anew
            return
        fi
        { [ "$code" = 0 ] || [ "$code" = 75 ]; } && ! is_stale && return 0
        if [ "$code" = 75 ]; then
            say_that_it_cannot_be_locked
        else
            when='at the next start'
            if has_failed; then when="${again_with}after the next change"; fi
            say "the sysimage $image was not built anew${failure:+ ($failure)}; $without" \
                "see what the build said; it is tried again $when"
        fi
    fi
    return 1
}

