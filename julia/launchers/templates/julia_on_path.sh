# The first `julia` on PATH that is not this script, which may have that name.
julia_on_path() {
    set -f
    IFS=:
    for folder in $PATH; do
        found=${folder:-.}/julia
        if [ -f "$found" ] && [ -x "$found" ] && ! [ "$found" -ef "$0" ]; then
            printf '%s' "$found"
            return 0
        fi
    done
    return 1
}
