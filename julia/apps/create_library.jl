"""
    create_library(package_or_project, dest_dir; kwargs...) -> AppReport

Makes a folder at `dest_dir` with a shared library of the functions that a package marks with
`Base.@ccallable`, for programs in other languages:
```julia
Base.@ccallable function increment(count::Cint)::Cint
    return count + 1
end
```
`package_or_project` is the folder of that package, or of a project with such packages. The folder has
the library in `lib`, with all that it needs beside it, headers in `include`, and a file for pkg-config in
`lib/pkgconfig`. No C compiler is needed.

A program calls `init_julia(argc, argv)` first, with options of Julia after the name of the program (or `0`
and `NULL`), and `shutdown_julia(code)` last, on the same thread. Both are declared in
`julia_init.h`.

Keywords and defaults are those of PackageCompiler 2.4.5. Linux on x86-64, Julia $APPS_SINCE and newer.

# Keywords
- `lib_name::String`: by default the name of the package; `lib` goes before it.
- `version`: a `VersionNumber` or a String. The library is then `lib/libname.so.1.2.3`, with links.
- `compat_level::String="major"`: `"major"`, `"minor"`, `"patch"` or `"full"`: how much of the version is in the soname.
- `header_files`: a path or several, of headers that go to `include`.
- `julia_init_h_file`: headers instead of `julia_init.h`, or none with `String[]`.
- `force`, `incremental`, `filter_stdlibs`, `include_lazy_artifacts`, `include_preferences`, `cpu_target`
  and all others: as of [`create_app`](@ref).

# Returns
An [`AppReport`](@ref).

# Errors
[`BuildError`](@ref), as of [`create_app`](@ref).

# Examples
```julia
using PackageCompilerRS
if isdir("Count")
    create_library("Count", "CountCompiled"; lib_name="count", version=v"1.0.0",
        incremental=true, cpu_target="native", force=true)
end
```
"""
function create_library(package_or_project::AbstractString, dest_dir::AbstractString;
    @nospecialize(lib_name=nothing),
    @nospecialize(version=nothing),
    @nospecialize(compat_level="major"),
    @nospecialize(header_files=String[]),
    @nospecialize(julia_init_h_file=nothing),
    @nospecialize(incremental=false),
    @nospecialize(force=false),
    @nospecialize(include_lazy_artifacts=false),
    @nospecialize(include_preferences=true),
    @nospecialize(cpu_target=default_app_cpu_target()),
    keywords...,
)
    check_apps_here()
    Sys.ARCH === :x86_64 || throw(BuildError("libraries can be made on x86-64 only";
        cause="the functions that start them are machine code of that processor",
        hint="`create_app` and `create_sysimage` serve this one"))
    # What needs no Manifest, which may have to be installed first.
    given_name = checked_library_name(lib_name)
    versions = library_versions(version, compat_level)
    headers = checked_headers(header_files, julia_init_h_file)
    helper = library_path("packagecompilerrs_library")
    isfile(helper) || throw(BuildError("the library that starts libraries is not built: there is no `$helper`";
        hint="run `using Pkg; Pkg.build(\"PackageCompilerRS\")`"))
    bundle = plan_bundle("create_library", package_or_project, dest_dir, keywords; incremental=incremental,
        cpu_target=cpu_target, force=force, include_lazy_artifacts=include_lazy_artifacts, include_preferences=include_preferences)
    names = library_names(library_name(given_name, bundle.package), versions)
    # The linker takes the soname from the file's name.
    image = joinpath("lib", names.soname)
    return make_bundle(bundle, image, String[]; library=helper) do work
        lib = joinpath(work, "lib")
        if names.file != names.soname
            rename_file(joinpath(lib, names.soname), joinpath(lib, names.file))
            symlink(names.file, joinpath(lib, names.soname))
        end
        names.plain in (names.file, names.soname) || symlink(names.file, joinpath(lib, names.plain))
        foreach(path -> copy_file(path, joinpath(work, "include", basename(path))), headers)
        write_file(joinpath(lib, "pkgconfig", names.stem * ".pc"), pkg_config(names, version))
        # PackageCompiler's place for artifacts and project is the same.
        write_table(work, bundle.package, Pair{String,String}[], joinpath("lib", names.file))
    end
end

checked_library_name(::Nothing) = nothing

function checked_library_name(lib_name)
    lib_name isa Names || throw(wrong_value(:lib_name, lib_name, in_words(AbstractString)))
    check_file_name("`lib_name`", String(lib_name))
    return String(lib_name)
end

function library_name(lib_name, package)
    lib_name === nothing || return lib_name
    package === nothing && throw(BuildError("`lib_name` is missing"; cause="the project is no package, " *
        "which would name the library", hint="give the name of the library to be"))
    return package.name
end

const COMPAT_LEVELS = ("major", "minor", "patch", "full")

"""
    library_versions(version, level) -> Union{NamedTuple,Nothing}

What of `version` is in the names of files: `compat`, as far as `level` says, and `patch`, all three numbers.

# Errors
`BuildError` for what is no version, or no such level.
"""
function library_versions(version, level)
    level in COMPAT_LEVELS || throw(BuildError("`compat_level` is $(shown(level))";
        hint="use one of $(join(repr.(COMPAT_LEVELS), ", "))"))
    version === nothing && return nothing
    version isa Union{VersionNumber,AbstractString} ||
        throw(wrong_value(:version, version, "a version such as v\"1.2.3\", or a String"))
    number = with_cause(() -> VersionNumber(string(version)), "`version` is $(shown(version))";
        hint="give one such as v\"1.2.3\"")
    patch = string(number.major, '.', number.minor, '.', number.patch)
    compat = level == "major" ? string(number.major) : level == "minor" ? string(number.major, '.', number.minor) :
        level == "patch" ? patch : string(number)
    return (compat=compat, patch=patch)
end

"""
    library_names(name, versions) -> NamedTuple

`stem`, as `libname`; `plain`, the name that linkers look for; `soname`; and `file`, which has the code.
"""
function library_names(name, versions)
    stem = startswith(name, "lib") ? name : "lib" * name
    plain = string(stem, '.', Libdl.dlext)
    versions === nothing && return (stem=stem, plain=plain, soname=plain, file=plain)
    return (stem=stem, plain=plain, soname=string(plain, '.', versions.compat), file=string(plain, '.', versions.patch))
end

"Paths of the headers that go along."
function checked_headers(header_files, init)
    own = joinpath(package_folder(), "julia", "apps", "julia_init.h")
    paths = absolute(check_paths(:header_files, header_files))
    append!(paths, init === nothing ? [own] : absolute(check_paths(:julia_init_h_file, init)))
    for path in unique!(paths)
        isfile(path) || throw(BuildError("there is no header `$path`";
            hint="check the path; relative ones start at the current folder, `pwd()`"))
    end
    allunique(basename.(paths)) || throw(BuildError("two headers have the same name: " * join(paths, ", ");
        cause="all of them go to the folder `include`", hint="rename one"))
    return paths
end

function check_paths(name, value)
    value isa Union{AbstractString,AbstractVector} ||
        throw(wrong_value(name, value, in_words(Union{AbstractString,AbstractVector})))
    for path in (value isa AbstractVector ? value : ())
        path isa AbstractString || throw(wrong_item(name, path, "paths as Strings"))
    end
    return value
end

"What pkg-config tells of the library, wherever the folder is."
pkg_config(names, version) = """
    prefix=\${pcfiledir}/../..
    libdir=\${prefix}/lib
    includedir=\${prefix}/include

    Name: $(names.stem)
    Description: A library of Julia functions
    Version: $(version === nothing ? "0" : version)
    Libs: -L\${libdir} -Wl,-rpath,\${libdir} -l$(SubString(names.stem, 4))
    Cflags: -I\${includedir}
    """
