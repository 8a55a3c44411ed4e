# The first `julia` on PATH that is not this script, which may have that name, nor another of its kind: two that take
# each other for Julia would start each other for ever.
julia_on_path() {
    set -f
    IFS=:
    for folder in $PATH; do
        found=${folder:-.}/julia
        if [ -f "$found" ] && [ -x "$found" ] && ! [ "$found" -ef "$0" ] && ! is_of_our_making "$found"; then
            printf '%s' "$found"
            return 0
        fi
    done
    return 1
}

# Launchers, and the scripts of bundled sysimages, are known by their second line.
is_of_our_making() {
    head -n 2 -- "$1" 2>/dev/null | LC_ALL=C grep -q -e '^# PackageCompilerRS launcher: ' -e '^# Starts Julia on the sysimage beside this'
}
