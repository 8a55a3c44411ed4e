# Run on a sysimage: which Julia this is. `VERSION` and the commit are those of the image, the rest
# is found on disk. Packages in it print before and after, so that NUL is on both sides.
let version_file = Base.find_source_file("version_git.jl")
    write(stdout, '\0', join((
        abspath(Sys.BINDIR, Base.julia_exename()),
        string(VERSION),
        Base.GIT_VERSION_INFO.commit,
        version_file === nothing ? "" : abspath(version_file),
    ), '\0'), '\0')
end
