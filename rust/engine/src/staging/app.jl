# What the executables of an app call once Julia has started. It stays in the image.
module PackageCompilerRSApp

"Exit codes of programs that the terminal ends: 128 and the number of SIGINT."
const INTERRUPTED = Cint(130)

"""
    start() -> Cint

Calls the function that the executable is for, and gives the exit code. `Core.ARGS` holds the program as
it was called, UUID and name of the package, the name of the function, then the app's arguments.
"""
function start()::Cint
    given = Core.ARGS
    program, uuid, package, name = given[1]::String, given[2]::String, given[3]::String, given[4]::String
    deleteat!(given, 1:4)
    empty!(ARGS)
    for argument in given
        push!(ARGS, argument::String)
    end
    setglobal!(Base, :PROGRAM_FILE, program)
    try
        owner = Base.root_module(Base.PkgId(Base.UUID(uuid), package))
        return call(owner, package, Symbol(name))
    catch err
        err isa InterruptException && return INTERRUPTED
        Base.invokelatest(Base.display_error, Base.current_exceptions())
        return Cint(1)
    end
end

function call(owner::Module, package::String, name::Symbol)::Cint
    called = getfield(owner, name)
    if takes_arguments(owner, name)
        result = called(ARGS)
        # As `julia` does with `main`.
        return result === nothing ? Cint(0) : Cint(result)
    end
    result = called()
    result isa Cint && return result
    println(stderr, "ERROR: expected a Cint return value from function ", package, '.', name, ", got ",
        repr(result; context=:limit => true), "::", typeof(result))
    return Cint(1)
end

"Whether `name` is a `main` that `@main` declares (Julia 1.11 and newer)."
takes_arguments(owner::Module, name::Symbol) =
    name === :main && isdefined(owner, Symbol("#__main_is_entrypoint__#"))

"Leaves nothing of the way through here to be compiled by an app. Called while the image is made."
function compile(owner::Module, names::Vector{Symbol})
    precompile(start, ())
    precompile(call, (Module, String, Symbol))
    for name in names
        precompile(getfield(owner, name), takes_arguments(owner, name) ? (Vector{String},) : ())
    end
    return nothing
end

end
