# The executables of an app: one program under several names, and the table that it reads.

const APP_SCHEMA = 1

"""
    driver_path() -> String

Where `deps/build.jl` leaves the program (`rust/driver`).

# Errors
`BuildError` when it is not built.
"""
function driver_path()
    name = "packagecompilerrs_driver" * SYSTEM.executable_suffix
    path = engine_file("bin", name)
    isfile(path) || throw(BuildError("the program for executables is not built: there is no `$path`";
        hint="run `using Pkg; Pkg.build(\"PackageCompilerRS\")`; it needs cargo, see https://rustup.rs"))
    return path
end

function bundle_executables(work, package, executables)
    driver = driver_path()
    # Workers of Distributed start an ordinary Julia, which the same program is under that name.
    for name in [first.(executables); Base.julia_exename()]
        path = copy_file(driver, joinpath(work, "bin", name))
        chmod(path, 0o755)
    end
    write_table(work, package, executables, joinpath("lib", "julia", "sys." * Libdl.dlext))
    return nothing
end

"Writes what executables, and libraries that start Julia, read."
function write_table(work, package, executables, sysimage)
    write_file(joinpath(work, APP_TABLE), write_json(Dict{String,Any}(
        "schema" => APP_SCHEMA,
        "package" => package === nothing ? "" : package.name,
        "uuid" => package === nothing ? "" : string(package.uuid),
        "executables" => Dict{String,Any}(executables...),
        "julia" => Base.julia_exename(),
        "libjulia" => joinpath("lib", libjulia_name(joinpath(work, "lib"))),
        "sysimage" => sysimage,
    )) * "\n")
    return nothing
end

"The name under which other libraries ask for libjulia."
function libjulia_name(folder)
    name = "libjulia.$(Libdl.dlext).$(VERSION.major).$(VERSION.minor)"
    return ispath(joinpath(folder, name)) ? name : "libjulia." * Libdl.dlext
end
