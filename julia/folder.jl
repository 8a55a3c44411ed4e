# Where this package is.

"""
    package_folder() -> String

Where the files of this package are now: a depot may be moved with its precompile caches, which hold the
paths of where they were made (`@__DIR__`).
"""
function package_folder()
    # Not told before Julia 1.6, nor in an image that was stripped of its metadata.
    folder = isdefined(Base, :pkgorigins) ? pkgdir(@__MODULE__) : nothing
    return folder === nothing ? dirname(@__DIR__) : String(folder)
end
