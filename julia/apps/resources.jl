# What Julia itself brings to a bundle beside libraries: certificates, terminals, the unpacker, and what Pkg asks for.

"""
Copies certificates for TLS and descriptions of terminals (Julia 1.12); 7z where the image has its package, and the project
files of the standard libraries where it has Pkg.
"""
function bundle_resources(work, packages)
    share = abspath(Sys.BINDIR, Base.DATAROOTDIR, "julia")
    certificates = joinpath(share, "cert.pem")
    isfile(certificates) && copy_file(certificates, joinpath(work, "share", "julia", "cert.pem"))
    terminals = joinpath(share, "terminfo")
    isdir(terminals) && copy_folder(terminals, joinpath(work, "share", "julia", "terminfo"))
    if packages === nothing || "p7zip_jll" in packages
        for name in ("7z", "7z.so")
            path = abspath(Sys.BINDIR, Base.PRIVATE_LIBEXECDIR, name)
            isfile(path) || continue
            copy_file(path, joinpath(work, "libexec", "julia", name))
        end
    end
    (packages === nothing || "Pkg" in packages) && bundle_stdlib_projects(work)
    return nothing
end

"Pkg takes what lies beside Julia for the standard libraries, and fails where nothing does."
function bundle_stdlib_projects(work)
    folder = joinpath(work, "share", "julia", "stdlib", basename(Sys.STDLIB))
    for name in readdir(Sys.STDLIB)
        path = joinpath(Sys.STDLIB, name, "Project.toml")
        isfile(path) && copy_file(path, joinpath(folder, name, "Project.toml"))
    end
    return nothing
end
