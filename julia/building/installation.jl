# The Julia that builds: what only Julia itself knows of its installation.

const ON_DEBUG_BUILD = ccall(:jl_is_debugbuild, Cint, ()) == 1

"The Julia of this session as the engine's plan holds it."
function describe_julia()
    libraries = runtime_libraries()
    return Dict{String,Any}(
        "version" => string(VERSION),
        "exe" => joinpath(Sys.BINDIR, Base.julia_exename()),
        "stdlib" => Sys.STDLIB,
        "base_source" => base_source(),
        "data_root" => abspath(Sys.BINDIR, Base.DATAROOTDIR),
        "default_sysimage" => default_sysimage(),
        "libraries" => libraries,
        "llvm" => llvm_library(),
        "library_dirs" => library_dirs(libraries),
        "dlext" => Libdl.dlext,
        "arch" => string(Sys.ARCH),
        "cpu" => Sys.CPU_NAME,
        "lld" => bundled_lld(),
    )
end

"Path of the image that Julia starts on when it is not given another one."
function default_sysimage()
    path = abspath(Sys.BINDIR, Base.PRIVATE_LIBDIR, "sys." * Libdl.dlext)
    # Where a distribution keeps it elsewhere, a session on it tells.
    return isfile(path) ? path : running_sysimage()
end

running_sysimage() = abspath(unsafe_string(Base.JLOptions().image_file))

function base_source()
    source = Base.find_source_file("sysimg.jl")
    return source === nothing ? abspath(Sys.BINDIR, Base.DATAROOTDIR, "julia", "base") :
        dirname(source)
end

"Paths of the libraries that an image is linked against; libjulia-internal came with Julia 1.6."
function runtime_libraries()
    names = VERSION < v"1.6" ? ["libjulia"] : ["libjulia", "libjulia-internal"]
    suffix = ON_DEBUG_BUILD ? "-debug" : ""
    return String[abspath(Libdl.dlpath(name * suffix)) for name in names]
end

"Path of the LLVM library of this process, which generates the code; `nothing` where there is none."
function llvm_library()
    libraries = Libdl.dllist()
    found = findfirst(path -> startswith(basename(path), "libLLVM"), libraries)
    return found === nothing ? nothing : abspath(libraries[found])
end

"Their folders, and the one of Julia's private libraries, on which they depend."
function library_dirs(libraries)
    dirs = String[dirname(library) for library in libraries]
    private = abspath(Sys.BINDIR, Base.PRIVATE_LIBDIR)
    isdir(private) && push!(dirs, private)
    return unique!(dirs)
end

"Julia >= 1.9 brings a linker (`Base.Linking`), looked for where that module looks."
function bundled_lld()
    isdefined(Base, :Linking) || return nothing
    name = "lld" * SYSTEM.executable_suffix
    for folder in (Base.PRIVATE_LIBEXECDIR, joinpath("..", "tools"), "")
        path = abspath(Sys.BINDIR, folder, name)
        isfile(path) && return path
    end
    return nothing
end
