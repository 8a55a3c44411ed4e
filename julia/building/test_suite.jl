# Test suites as workloads: which tests of which package, and where they are.

"""
    TestSuite(package; test_args=String[])

The tests of `package` as a workload of [`create_sysimage`](@ref): they run as `Pkg.test` runs them,
in a process of their own and a sandbox that holds the test dependencies too, and what is compiled
meanwhile goes into the image. The project stays as it is.

The package is the project itself, or one in its Manifest whose source has a `test/runtests.jl`.
`test_args` is what the tests find in `ARGS`, as with `Pkg.test`; many packages choose groups of
tests by it.

# Examples
```julia
create_sysimage(["Example"]; sysimage_path="Example.so", workload=TestSuite("Example"))
create_sysimage(["A", "B"]; sysimage_path="AB.so",
    workload=[TestSuite("A"), TestSuite("B"; test_args=["quick"])],
    precompile_execution_file="script.jl")
```
"""
struct TestSuite
    package::String
    test_args::Vector{String}
end

function TestSuite(package::Union{AbstractString,Symbol};
    test_args::Union{Cmd,AbstractVector{<:AbstractString}}=String[])
    return TestSuite(String(package), test_args isa Cmd ? test_args.exec : test_args)
end

function Base.show(io::IO, suite::TestSuite)
    print(io, "TestSuite(", repr(suite.package))
    isempty(suite.test_args) || print(io, "; test_args=", suite.test_args)
    return print(io, ")")
end

"""
    planned_tests(environment, suite) -> Dict{String,Any}

# Errors
`BuildError` for a package that is not in the environment, is not installed, or has no tests.
"""
function planned_tests(environment, suite)
    package = package_with_tests(environment, suite.package)
    name = package.id.name
    folder = folder_of(package)
    folder === nothing && throw(BuildError("the source of `$name` is not there";
        hint="run `Pkg.instantiate()` in `$(dirname(environment.project_file))`"))
    file = joinpath(folder, "test", "runtests.jl")
    isfile(file) || throw(BuildError("`$name` has no tests: there is no `$file`";
        hint="give a script of yours that uses it as `precompile_execution_file`"))
    return Dict{String,Any}(
        "kind" => "test_suite",
        "name" => name,
        "uuid" => string(package.id.uuid),
        "path" => folder,
        "args" => checked_args(suite.test_args),
        "sources" => test_sources(folder),
    )
end

function checked_args(args)
    foreach(arg -> check_text("`test_args`", arg), args)
    return args
end

"The package that the project means by `name`; else the only one so called in its Manifest."
function package_with_tests(environment, name)
    known = get(environment.direct, name, nothing)
    known === nothing || return environment.packages[known]
    found = [p for p in values(environment.packages) if p.id.name == name]
    length(found) == 1 && return found[1]
    isempty(found) && throw(unknown_package(environment, name))
    throw(BuildError("`$name` are $(length(found)) packages of the Manifest, none of which the " *
                     "project itself depends on";
        hint="add the one whose tests you want with `Pkg.add`"))
end

"""
Folders that the tests of the package in `folder` are made of: its own, and those of packages that
only they need and that are tracked by path.
"""
function test_sources(folder)
    found = [folder]
    tests = joinpath(folder, "test")
    for dir in (folder, tests), file in joinpath.(dir, Base.project_names)
        isfile(file) || continue
        # Julia 1.11 and newer.
        for source in values(get(read_toml(file), "sources", Dict()))
            path = get(source, "path", nothing)
            path === nothing || push!(found, normpath(joinpath(dir, path)))
        end
        manifest = dir == tests ? Base.project_file_manifest_path(file) : nothing
        manifest === nothing && continue
        for package in values(read_manifest(manifest))
            package.path === nothing || push!(found, package.path)
        end
    end
    # `normpath` leaves a separator at the end of some.
    return unique!(filter!(isdir, [joinpath(splitpath(path)...) for path in found]))
end
