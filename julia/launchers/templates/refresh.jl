# Run by launchers that keep an image fresh, on Julia's own image, with the path of the image and `background` or
# `before`.
if ARGS[2] == "background"
    # A session of its own: nobody's Ctrl-C, and no closed terminal, is meant for it.
    ccall(:setsid, Cint, ())
end
# The package is the one that this file belongs to, whatever the projects of this session have.
for entry in ("@stdlib", abspath(@__DIR__, "..", "..", ".."))
    pushfirst!(LOAD_PATH, entry)
end
using PackageCompilerRS: PackageCompilerRS
exit(PackageCompilerRS.refresh_for_launcher(ARGS...))
