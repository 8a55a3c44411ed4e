# How the files look that $1 lists, each ended by NUL, to whom does not read them: sizes and times, or that one is
# not there.
look() {
    LC_ALL=C TZ=UTC0 xargs -0 @STAT@ -- <"$1" 2>&1
}

# How much is free on the disk of $1, in KiB.
room() {
    df -Pk -- "$1" 2>/dev/null | sed -n '2s/.* \([0-9][0-9]*\)  *[0-9]*% .*/\1/p'
}

# What is in them: checksums of files, and names in folders, but for those that Julia leaves beside sources.
contents() {
    LC_ALL=C xargs -0 /bin/sh -c '
        for at; do
            if [ -d "$at" ]; then
                printf "%s:\n" "$at"
                ls -A -- "$at" 2>&1
            fi
        done | grep -v -e "\.cov\$" -e "\.mem\$"
        cksum -- "$@" 2>&1' sh <"$1"
}
