# From Julia's trace to statements that are good for an image. Also included by itself into the
# sessions that `julia_record` starts and into those that run workloads.
#
# A trace does not show all calls. When a function is compiled, so are those that it calls and whose
# method inference knows; only the first is traced. That does not matter while the first is in the
# image too. But functions of `Main` never are: their statements fail there, and all that only they
# call would be lost with them.

"""
    clean_trace(lines) -> Vector{String}

The statements in a trace, each once. Left out are what Julia 1.12 and newer add to them (colours, a
time before, a comment after), lines that were cut off, and the recording itself.
"""
function clean_trace(lines)
    statements = String[]
    for line in lines
        text = replace(line, r"\e\[[0-9;]*m" => "")
        text = replace(text, r"^\s*#=.*?=#\s*" => "")
        text = replace(text, r"\s+# recompile\s*$" => "")
        startswith(text, "precompile(") && endswith(text, ')') || continue
        occursin(r"\bPackageCompilerRS(Recording)?\.", text) || push!(statements, text)
    end
    return unique!(statements)
end

"""
    portable_statements(lines) -> Vector{String}

The statements in a trace, with those that it does not show, and without those about anonymous
functions of `Main`, whose names mean something else in every session.
"""
function portable_statements(lines)
    statements = with_static_calls(clean_trace(lines))
    return filter!(statement -> !occursin("Main.var\"#", statement), statements)
end

"`statements` with those that a trace does not show, as far as they can be found."
function with_static_calls(statements)
    try
        return add_static_calls(statements)
    catch err
        err isa InterruptException && rethrow()
        # Inference's internals: a change there may cost these statements, but not the others.
        @warn "Calls from functions of Main could not be followed" exception =
            (err, catch_backtrace())
        return statements
    end
end

"""
    add_static_calls(statements) -> Vector{String}

`statements`, each one about a function of `Main` followed by statements for the functions outside
`Main` that it calls, also through other functions of `Main`.
"""
function add_static_calls(statements)
    scope = nothing
    seen = Set{Any}()
    result = String[]
    for statement in statements
        push!(result, statement)
        occursin("Main.", statement) || continue
        scope === nothing && (scope = scope_of_packages())
        signature = signature_of(scope, statement)
        signature === nothing && continue
        append!(result, statements_for(calls_outside_main(signature, seen)))
    end
    return unique!(result)
end

"A module in which every loaded package has its name, as traces have them."
function scope_of_packages()
    scope = Module(:PackageCompilerRSRecording)
    names = Dict(Symbol(id.name) => package for (id, package) in Base.loaded_modules)
    for (name, package) in names
        Core.eval(scope, Expr(:const, Expr(:(=), name, package)))
    end
    return scope
end

"The tuple type in a statement; `nothing` if it means nothing here, such as a name that is gone."
function signature_of(scope, statement)
    call = Meta.parse(statement; raise=false)
    call isa Expr && call.head === :call && length(call.args) == 2 || return nothing
    try
        return Core.eval(scope, call.args[2])
    catch err
        err isa InterruptException && rethrow()
        return nothing
    end
end

"""
Signatures of the functions outside `Main` that the method of `Main` which `signature` means calls;
through other methods of `Main` too.
"""
function calls_outside_main(signature, seen)
    found = Any[]
    waiting = Any[signature]
    while !isempty(waiting)
        signature = pop!(waiting)
        signature in seen && continue
        push!(seen, signature)
        method = method_of(signature)
        method === nothing && continue
        if Base.moduleroot(method.module) !== Main
            push!(found, signature)
            continue
        end
        # Before optimization every call is there, as it would be made in the REPL; after it, those
        # are there that inlining brought in or that were split by type.
        for code in typed_code(signature, false)
            append!(waiting, called(code))
        end
        for code in typed_code(signature, true)
            append!(waiting, invoked(code))
        end
    end
    return found
end

"The method that a call with this signature runs; `nothing` if it may be one of several."
function method_of(signature)
    matches = Base._methods_by_ftype(signature, -1, Base.get_world_counter())
    length(matches) == 1 || return nothing
    match = matches[1]
    return VERSION < v"1.6" ? match[3] : match.method
end

"Inferred code; Julia 1.5 has no `code_typed_by_type`, so this is what its `code_typed` does."
function typed_code(signature, optimize)
    if VERSION >= v"1.6"
        pairs = Base.code_typed_by_type(signature; optimize=optimize)
    else
        world = Base.get_world_counter()
        pairs = map(Base._methods_by_ftype(signature, -1, world)) do match
            method = Base.func_for_method_checked(match[3], signature, match[2])
            Core.Compiler.typeinf_code(method, match[1], match[2], optimize,
                Core.Compiler.Params(world))
        end
    end
    return [code for (code, _) in pairs if code isa Core.CodeInfo]
end

expressions(code) = (statement isa Expr && statement.head === :(=) ? statement.args[2] : statement
    for statement in code.code)

"Signatures of the methods that optimized code calls without dispatch."
function invoked(code)
    found = Any[]
    for expression in expressions(code)
        expression isa Expr && expression.head === :invoke || continue
        target = expression.args[1]
        # A CodeInstance since Julia 1.12.
        target isa Core.MethodInstance || (target = target.def)
        target isa Core.MethodInstance && push!(found, target.specTypes)
    end
    return found
end

"Signatures of the calls in code that was inferred and not optimized."
function called(code)
    found = Any[]
    for expression in expressions(code)
        expression isa Expr && expression.head === :call || continue
        types = Any[type_of(code, argument) for argument in expression.args]
        # Julia 1.10 and newer make no tuple type with `Union{}`, the type of what never returns.
        (types[1] <: Core.Builtin || Union{} in types) && continue
        signature = Tuple{types...}
        Base.isdispatchtuple(signature) && push!(found, signature)
    end
    return found
end

# Older Julias note in the code what a variable's type is where it is read.
const TYPED_SLOT = isdefined(Core, :TypedSlot) ? Core.TypedSlot : nothing

function type_of(code, argument)
    inferred = if argument isa Core.SSAValue
        code.ssavaluetypes[argument.id]
    elseif argument isa Core.SlotNumber
        code.slottypes[argument.id]
    elseif TYPED_SLOT !== nothing && argument isa TYPED_SLOT
        argument.typ
    elseif argument isa GlobalRef
        isdefined(argument.mod, argument.name) && isconst(argument.mod, argument.name) ?
            Core.Typeof(getfield(argument.mod, argument.name)) : Any
    elseif argument isa QuoteNode
        Core.Typeof(argument.value)
    elseif argument isa Expr
        Any
    else
        Core.Typeof(argument)
    end
    inferred isa Type && return inferred
    # What `widenconst` would make `DataType`, for a type that is known.
    inferred isa Core.Compiler.Const && return Core.Typeof(inferred.val)
    return Core.Compiler.widenconst(inferred)
end

"The signatures as Julia's trace writes them: by the runtime, not by `show`."
function statements_for(signatures)
    isempty(signatures) && return String[]
    path, io = mktemp()
    try
        for signature in signatures
            print(io, "precompile(")
            flush(io)
            ccall(:jl_static_show, Csize_t, (Ptr{Cvoid}, Any), io.handle, signature)
            println(io, ")")
        end
        close(io)
        return readlines(path)
    finally
        rm(path; force=true)
    end
end
