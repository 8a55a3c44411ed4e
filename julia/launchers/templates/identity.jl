# Run on a sysimage, with the path of a file that it writes: which Julia this is. `VERSION` and the commit are those of
# the image, the rest is found on disk. Packages in the image may write to `stdout`.
let version_file = Base.find_source_file("version_git.jl")
    write(ARGS[1], join((
        abspath(Sys.BINDIR, Base.julia_exename()),
        string(VERSION),
        Base.GIT_VERSION_INFO.commit,
        version_file === nothing ? "" : abspath(version_file),
    ), '\0'))
end
