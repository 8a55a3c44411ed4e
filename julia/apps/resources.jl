# What Julia itself brings to a bundle beside libraries: certificates, terminals, and the unpacker.

"Copies certificates for TLS, descriptions of terminals (Julia 1.12), and 7z where the image has its package."
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
    return nothing
end
