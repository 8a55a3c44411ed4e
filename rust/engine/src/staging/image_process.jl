# The steps of the image process; the code is generated after the last of them.

const READER_OF_STATEMENTS = ("session.jl", "arguments.jl", "statements.jl")

"A module of this one's name, by which the library keeps its code out of the image, but compiled and not interpreted."
compiled_module() = Module(nameof(@__MODULE__))

"What `interposed.jl` defines: it is called for every method instance."
const Interposed = compiled_module()

"Reads what else the image process needs; `folder` holds this file and its neighbours."
function read_neighbours(folder)
    read_into(@__MODULE__, folder, READER_OF_STATEMENTS)
    read_into(Interposed, folder, ("interposed.jl",))
    return nothing
end

function read_into(mod, folder, files)
    for file in files
        Base.include_string(mod, read(joinpath(folder, file), String), file)
    end
    return nothing
end

"All of it, after [`read_neighbours`](@ref)."
function build_image(spec, folder)
    records = read_records(spec)
    journal = Journal(value_of(records, "journal"))
    linked = value_of(records, "linked") == "true"
    linked && Interposed.tell_layout()
    Core.eval(Sys, :(STDLIB = $(value_of(records, "stdlib"))))
    use_project(records)
    Base.init_depot_path()

    await_file(value_of(records, "packages_ready"))
    seed_random()
    packages = packages_of(records, "package")
    held = Set(keys(Base.loaded_modules))
    declined = any(id -> !(id in held) && declines_precompilation(id), packages)
    declined && permit_declining()
    for id in loading_order(packages)
        note(journal, "load", id.name)
        load(id)
    end
    for name in loaded_from_source(held)
        note(journal, "uncached", name)
    end
    for extension in failed_extensions()
        note(journal, "failed_extension", string(extension.id.name, " of ", extension.parentid.name))
    end
    import_into_main(values_of(records, "import"))
    script = value_of(records, "script")
    app, functions = packages_of(records, "app"), values_of(records, "entry")
    # A script may define them.
    script === nothing && require_functions(journal, app, functions)

    # Compiles what evaluates them and is Julia's, while they are still to come.
    Base.invokelatest(evaluate, Binder(), "precompile(Tuple{typeof(Base.:!), Bool})")
    ready = value_of(records, "statements_ready")
    if linked
        Base.invokelatest(Interposed.infer_through_closure)
        Base.invokelatest(Interposed.mark_own_methods)
    end
    # The wait costs nothing else, and what is garbage now would stay until the heap is written.
    isfile(ready) || GC.gc()
    await_file(ready)
    given = read_records(ready)
    skipped = Set(parse.(Int, values_of(given, "skip")))
    statements = value_of(given, "statements")
    reader = reader_of_statements(countlines(statements), folder)
    # In a world that has the packages' code.
    Core.eval(reader, :(evaluate_statements($statements, $skipped, Journal($(journal.io)))))

    if script !== nothing
        note(journal, "phase", "script")
        Base.include(Main, script)
        require_functions(journal, app, functions)
    end
    declined && forbid_declining()

    stamp_image(value_of(records, "stamp"))
    set_guard(values_of(records, "guarded"), folder)
    set_app(app, functions, folder)
    linked && Base.invokelatest(Interposed.mark_methods)
    note(journal, "phase", "generate")
    close(journal)
    forget_session(value_of(records, "strip_metadata") == "true", folder)
    linked && Base.invokelatest(Interposed.pass_over_unasked)
    return nothing
end

"From so many statements on, compiling what evaluates them takes less time than interpreting it (Julia 1.12)."
const MANY_STATEMENTS = 5_000

"The module that evaluates so many statements: this one, which is interpreted, or one like it that is compiled."
function reader_of_statements(count, folder)
    count < MANY_STATEMENTS && return @__MODULE__
    compiled = compiled_module()
    read_into(compiled, folder, READER_OF_STATEMENTS)
    return compiled
end

"The engine ends this process if the file does not come."
function await_file(path)
    while !isfile(path)
        Libc.systemsleep(0.01)
    end
    return nothing
end

"""
As Julia's own base/sysimg.jl does: no `__init__` has set the generator, and with a state of zeros
`rand(1:6)` never ends. Always the same seed, so that the same inputs make the same image. Before
Julia 1.7 there is a generator for each thread, which `rand` says is missing; made here, it crashes the
making of an image on top of this one.
"""
function seed_random()
    states = (0x5156087469e170ab, 0x7431eaead385992c, 0x503e1d32781c2608, 0x3a77f7189200c20b,
        0x5502376d099035ae)
    task = current_task()
    for (i, state) in enumerate(states)
        name = Symbol(:rngState, i - 1)
        hasfield(Task, name) && setfield!(task, name, state)
    end
    return nothing
end

"""
`packages` stand in the order of their dependencies, and the other way round where there are caches: a cache
is good with certain caches of what it needs, of which several may be there, in several depots.
"""
loading_order(packages) = Base.JLOptions().use_compiled_modules == 0 ? packages : reverse(packages)

"Lets packages say `__precompile__(false)` as in a session: a process that makes an image counts as one that precompiles."
permit_declining() = redefine("@noinline __precompile__(::Bool=true) = nothing")

"""
Loads a package as a session does, which takes one without a cache from its source: Julia makes none
for a package that says `__precompile__(false)` or overwrites another's method, nor for those that
need one. What such a package may not do here has to be permitted before: one that failed is left half
loaded, and a second `require` takes it for whole. What the base holds is asked for too: to Julia 1.11.0 and 1.11.1 it
triggers extensions only then.
"""
function load(id)
    try
        Base.invokelatest(Base.require, id)
    catch err
        Base.precompilableerror(err) || rethrow()
        error("the package, or one that it needs, overwrites a method of another package or does not let ",
            "itself be precompiled, and Julia ", VERSION, " refuses that where an image is made. Leave it, ",
            "and what needs it, out of the image with `exclude`")
    end
    return nothing
end

function declines_precompilation(id)
    path = Base.locate_package(id)
    return path !== nothing && isfile(path) && occursin("__precompile__(false)", read(path, String))
end

"Whether there was no cache to load `id` from, where one is looked for; known since Julia 1.6."
function is_from_source(id)
    Base.JLOptions().use_compiled_modules == 0 && return false
    isdefined(Base, :PkgOrigin) && hasfield(Base.PkgOrigin, :cachepath) || return false
    origin = get(Base.pkgorigins, id, nothing)
    return origin !== nothing && origin.cachepath === nothing
end

"What was loaded from its source and is not among `held`, extensions too: as a name, or as `Extension of Package`."
function loaded_from_source(held)
    loaded = keys(Base.loaded_modules)
    new = filter!(id -> !(id in held) && is_from_source(id), collect(loaded))
    function described(id)
        is_parent(other) = other.uuid !== nothing && Base.uuid5(other.uuid, id.name) == id.uuid
        parents = isdefined(Base, :uuid5) ? filter!(is_parent, collect(loaded)) : Base.PkgId[]
        return isempty(parents) ? id.name : string(id.name, " of ", first(parents).name)
    end
    return sort!(map(described, new))
end

"Those whose loading ended in an error, which Julia only shows and goes on (base/loading.jl, 1.9 and newer)."
failed_extensions() = isdefined(Base, :EXT_DORMITORY_FAILED) ? Base.EXT_DORMITORY_FAILED : ()

"Sessions on the image are to precompile as Julia does (base/loading.jl, 1.5 to 1.12)."
function forbid_declining()
    redefine("""
        @noinline function __precompile__(isprecompilable::Bool=true)
            if !isprecompilable && ccall(:jl_generating_output, Cint, ()) != 0
                throw(PrecompilableError())
            end
            nothing
        end
        """)
    return nothing
end

"Julia 1.10 lets nothing be overwritten in such a process, but deleted. The work folder's name is not to stay."
function redefine(definition)
    foreach(Base.delete_method, methods(Base.__precompile__))
    Base.include_string(Base, definition, "loading.jl")
    return nothing
end

"""
Makes `using .Package` work without the project. A name that is taken already (by an image that
this one is built on) is left as it is (PackageCompiler.jl issue 768).
"""
function import_into_main(names)
    for name in Symbol.(names)
        isdefined(Main, name) || Core.eval(Main, Expr(:import, Expr(:., name)))
    end
    return nothing
end

"""
Leaves in the image what it was built from, for `sysimage_status()`. An image that this one is built
on may have brought the constant with a text of its own.
"""
function stamp_image(text)
    name = :PACKAGECOMPILERRS_STAMP
    isdefined(Base, name) || Core.eval(Base, :(const $name = Ref("")))
    stamp = Base.invokelatest(getfield, Base, name)
    stamp[] = text === nothing ? "" : text
    return nothing
end

"""
Makes sessions on the image compare `packages` with their project (`guard.jl`). Where an older image
brought the guard, it compares these from now on, or nothing.
"""
function set_guard(packages, folder)
    name = :PackageCompilerRSGuard
    if !isdefined(Base, name)
        isempty(packages) && return nothing
        # The name of the work folder is not to stay in the image.
        Base.include_string(Base, read(joinpath(folder, "guard.jl"), String), "guard.jl")
    end
    guard = Base.invokelatest(getfield, Base, name)
    Base.invokelatest(fill_guard, guard, packages)
    return nothing
end

function fill_guard(guard, packages)
    empty!(guard.HELD)
    for text in packages
        uuid, name, version, tree_hash, path = String.(split(text, '\t'; limit=5))
        # A dependency that was left to others may never have been loaded.
        haskey(Base.loaded_modules, Base.PkgId(Base.UUID(uuid), name)) || continue
        source = isempty(path) ? 0x00000000 : guard.source_of(path)
        push!(guard.HELD, guard.Held(uuid, name, version, tree_hash, !isempty(path), source))
    end
    guard.compile()
    return nothing
end

"Ends the process where the package of an app lacks one of the `functions` that its executables call."
function require_functions(journal, packages, functions)
    for id in packages, name in functions
        # Names of the package are younger than this function.
        Base.invokelatest(isdefined, Base.root_module(id), Symbol(name)) && continue
        note(journal, "missing_function", name)
        error("`", id.name, "` has no function `", name, "`")
    end
    return nothing
end

"Makes the image that of an app, whose executables call `functions` of the package (`app.jl`)."
function set_app(packages, functions, folder)
    (isempty(packages) || isempty(functions)) && return nothing
    name = :PackageCompilerRSApp
    isdefined(Base, name) ||
        Base.include_string(Base, read(joinpath(folder, "app.jl"), String), "app.jl")
    app = Base.invokelatest(getfield, Base, name)
    Base.invokelatest(compile_app, app, Base.root_module(only(packages)), Symbol.(functions))
    return nothing
end

# A name of `app` is as young as itself.
compile_app(app, owner, functions) = app.compile(owner, functions)

"""
Julia takes the tables of docstrings out of the image. Since 1.12 their names stay defined, and to look one up is an
error: for `@doc` of anything, and for the first docstring in `Main`.
"""
function forget_docs()
    empty!(Base.Docs.modules)
    if isdefined(Base, :delete_binding) && isdefined(Main, Base.Docs.META)
        Base.delete_binding(Main, Base.Docs.META)
    end
    return nothing
end

"""
Names standard libraries as Julia's own image does, by where Julia was built: `pathof` puts the folder of the Julia that
runs in its place. Elsewhere the folder here may be closed, and `Pkg.status()` an error (Julia 1.12).
"""
function forget_place_of_stdlibs()
    isdefined(Base, :pkgorigins) || return nothing
    place = joinpath(Sys.STDLIB, "")
    for origin in values(Base.pkgorigins)
        path = origin.path
        path !== nothing && startswith(path, place) || continue
        origin.path = joinpath(Sys.BUILD_STDLIB_PATH, path[(ncodeunits(place) + 1):end])
    end
    return nothing
end

"Removes what belongs to this process and not to the sessions that will start from the image."
function forget_session(strip_metadata, folder)
    # Before Julia 1.12 a name that was looked up in Main counts as imported there, and could not be defined.
    VERSION < v"1.12-" && ccall(:jl_clear_implicit_imports, Cvoid, (Any,), Main)
    filter!(entry -> !startswith(entry[2], folder), Base._included_files)
    empty!(Core.ARGS)
    empty!(Base.ARGS)
    empty!(LOAD_PATH)
    empty!(DEPOT_PATH)
    if isdefined(Base, :TOML_CACHE)
        empty!(Base.TOML_CACHE.d)
        Base.TOML.reinit!(Base.TOML_CACHE.p, "")
    end
    forget_place_of_stdlibs()
    Core.eval(Sys, :(BINDIR = ""; STDLIB = ""))
    Core.eval(Base, :(PROGRAM_FILE = ""))
    if strip_metadata
        empty!(Base._included_files)
        empty!(Base.pkgorigins)
        empty!(Base.Docs.keywords)
        forget_docs()
    end
    return nothing
end
