"""
    create_app(package_dir, compiled_app; kwargs...) -> AppReport

Makes a folder at `compiled_app` with executables that run on machines without Julia. `package_dir` is the
folder of a package with a function
```julia
function julia_main()::Cint
    # `ARGS` holds the arguments.
    return 0 # the exit code
end
```
or, on Julia 1.11 and newer, one that is marked with `@main` and named in `executables`. The folder has
executables in `bin`, libraries and the image in `lib`, artifacts and certificates in `share/julia`. It may
be moved to any place. No C compiler is needed: the executables are a ready-made program.

What follows `--julia-args` on the command line of an executable are options of Julia, such as
`MyApp input.txt --julia-args --threads=4`.

Keywords and defaults are those of PackageCompiler 2.4.5. Linux, Julia $APPS_SINCE and newer.

# Keywords
- `executables`: a vector of pairs `"name of the file" => "function"`; by default one that is named after
  the package and calls `julia_main`.
- `incremental::Bool=false`: build on Julia's own image, with all standard libraries that it has. That is
  far quicker than compiling Julia's Base first, which makes a smaller image.
- `filter_stdlibs::Bool=false`: with `incremental=false`, leave out standard libraries that no package needs.
- `force::Bool=false`: replace an app at `compiled_app`, in one step, once the new one is complete. A folder
  that is no app, or holds other folders too, is never replaced.
- `include_lazy_artifacts::Bool=false`: bundle lazy artifacts too; of a package that chooses its artifacts by a script
  those that it chooses or that are installed.
- `include_preferences::Bool=true`: bundle the project's preferences, for packages that read them when they
  run.
- `cpu_target::String`: by default several, as in Julia's own binaries, so that the app runs on other CPUs;
  `"native"` for this machine's, which is much quicker to build (see `linked` of [`create_sysimage`](@ref)).
- `precompile_execution_file`, `precompile_statements_file`, `include_transitive_dependencies`, `script`,
  `base_sysimage`, `sysimage_build_args`, `compress_sysimage`, and those that PackageCompiler does not
  have: as of [`create_sysimage`](@ref). `quiet=true` shows nothing.

# Returns
An [`AppReport`](@ref).

# Errors
[`BuildError`](@ref), also for a function that the package does not have. Where the build fails or is interrupted
nothing appears at `compiled_app`, and what was there stays.

# Examples
```julia
using PackageCompilerRS
if isdir("Greet")
    create_app("Greet", "GreetCompiled"; incremental=true, cpu_target="native", force=true)
end
```
"""
function create_app(package_dir::AbstractString, compiled_app::AbstractString;
    @nospecialize(executables=nothing),
    @nospecialize(incremental=false),
    @nospecialize(force=false),
    @nospecialize(include_lazy_artifacts=false),
    @nospecialize(include_preferences=true),
    @nospecialize(cpu_target=default_app_cpu_target()),
    keywords...,
)
    check_apps_here()
    # What needs no Manifest, which may have to be installed first.
    given = checked_executables(executables)
    driver_path()
    bundle = plan_bundle("create_app", package_dir, compiled_app, keywords; incremental=incremental,
        cpu_target=cpu_target, force=force, include_lazy_artifacts=include_lazy_artifacts, include_preferences=include_preferences)
    package = bundle.package
    package === nothing && throw(BuildError("`$package_dir` is no package";
        cause="its Project.toml has no `name` and `uuid`",
        hint="make one with `Pkg.generate`, with a function `julia_main()::Cint`"))
    named = something(given, [package.name => "julia_main"])
    return make_bundle(bundle, joinpath("lib", "julia", "sys." * Libdl.dlext), last.(named)) do work
        bundle_executables(work, package, named)
    end
end
