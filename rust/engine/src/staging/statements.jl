# Evaluates precompile statements one by one and says of each what became of it. What their
# arguments stand for is worked out in arguments.jl.

"""
    evaluate_statements(path, skipped, journal)

Precompiles the statements of the file at `path`, one a line, each of the form `precompile(...)`
(the engine lets no other through). Line numbers in `skipped` are left out. Before each statement
its number is noted, so that a crash has a name; after it the outcome, as
`number outcome seconds detail`.
"""
function evaluate_statements(path, skipped, journal)
    binder = Binder()
    for (number, text) in enumerate(eachline(path))
        number in skipped && continue
        note(journal, "statement", string(number))
        start = time_ns()
        outcome, detail = evaluate(binder, text)
        seconds = (time_ns() - start) / 1e9
        note(journal, "result", string(number, ' ', outcome, ' ', seconds, ' ', detail))
    end
    return nothing
end

"How many ways of reading the names in one statement are tried."
const MOST_READINGS = 64

"What a name that a statement starts with can stand for, and how to tell a user."
struct Meaning
    value::Any
    text::String
end

const Choice = Vector{Pair{Symbol,Meaning}}

"Resolves names in statements to what is loaded."
mutable struct Binder
    # Names that are not Julia's own and have one meaning.
    known::Dict{Symbol,Any}
    # Names that are neither Base's nor those of a single package, and how they were read.
    guesses::Dict{Symbol,String}
    # By how likely a name is meant; made when a name first needs it: most images never do.
    inner::Union{Nothing,Vector{Dict{Symbol,Vector{Meaning}}}}
end

Binder() = Binder(Dict{Symbol,Any}(), Dict{Symbol,String}(), nothing)

function evaluate(binder, text)
    call = Meta.parse(text; raise=false)
    if !(call isa Expr && call.head === :call && call.args[1] === :precompile)
        return "error", "it does not parse: $text"
    end
    arguments = call.args[2:end]
    results = Tuple{String,String}[]
    choices = [Choice()]
    while !isempty(choices) && length(results) < MOST_READINGS
        choice = popfirst!(choices)
        found = attempt(binder, arguments, choice)
        if found isa Vector
            # The first in front: each choice is followed to its end before the next.
            prepend!(choices, [vcat(choice, further) for further in found])
        else
            push!(results, found)
        end
    end
    for wanted in ("precompiled", "returned_false", "error")
        details = [detail for (outcome, detail) in results if outcome == wanted]
        isempty(details) || return wanted, join(filter(!isempty, details), "; ")
    end
    return results[1]
end

"The outcome with the names in `arguments` read as in `choice`, or the choices to be made first."
function attempt(binder, arguments, choice)
    names = copy(binder.known)
    for (name, meaning) in choice
        names[name] = meaning.value
    end
    while true
        values = try
            Any[value_of_code(names, argument, false) for argument in arguments]
        catch err
            err isa Refused && return "rejected", string('`', err.code, '`')
            err isa Unknown || return "error", told(err)
            meanings = err.leading ? meanings_of(binder, err.name) : Meaning[]
            isempty(meanings) && return "name_not_found", string('`', err.name, '`')
            length(meanings) > 1 && return [[err.name => meaning] for meaning in meanings]
            names[err.name] = binder.known[err.name] = meanings[1].value
            continue
        end
        outcome, reason = compile(values)
        how_read = reading(binder, arguments, choice)
        return outcome, join(filter(!isempty, [reason, how_read]), "; ")
    end
end

# A package may have methods of its own for `precompile`; these two are Julia's.
function compile(values)
    try
        signature = if length(values) == 1 && values[1] isa Type
            values[1]
        elseif length(values) == 2 && values[2] isa Tuple
            Tuple{Core.Typeof(values[1]),values[2]...}
        else
            throw(MethodError(precompile, Tuple(values)))
        end
        done = Base.invokelatest(invoke, precompile, Tuple{Type}, signature)
        return done === false ? ("returned_false", why_not(signature)) : ("precompiled", "")
    catch err
        return "error", told(err)
    end
end

const NO_METHOD = "no single method takes these types"

"Why nothing was compiled for `signature`."
function why_not(@nospecialize(signature))
    plain = Base.unwrap_unionall(signature)
    plain isa DataType && plain <: Tuple && !isempty(plain.parameters) || return NO_METHOD
    found = try
        Base._methods_by_ftype(signature, -1, Base.get_world_counter())
    catch
        nothing
    end
    found isa Vector && !isempty(found) || return NO_METHOD
    for parameter in plain.parameters[2:end]
        is_definite(parameter) && continue
        return string('`', sprint(show, parameter), "` stands for several types, and code is ",
            "compiled for one: give the concrete type")
    end
    return "its code cannot be compiled ahead"
end

"Whether arguments of one type only are meant."
is_definite(@nospecialize(parameter)) = parameter isa Type &&
    (isconcretetype(parameter) || parameter === Union{} || parameter isa DataType && parameter <: Type)

"Whether `name` stands in `expr` by itself or before a dot."
starts_with(expr, name) = expr === name
function starts_with(expr::Expr, name)
    expr.head === :. && return starts_with(expr.args[1], name)
    return any(arg -> starts_with(arg, name), expr.args)
end

"How the names in `arguments` were read, as far as that is not plain."
function reading(binder, arguments, choice)
    chosen = [name => meaning.text for (name, meaning) in choice]
    stands(name) = any(argument -> starts_with(argument, name), arguments)
    guessed = sort!([guess for guess in binder.guesses if stands(guess[1])])
    return join((string('`', name, "` read as ", text) for (name, text) in [chosen; guessed]), ", ")
end

"The first line of what `err` says; an exception may fail to show itself, or be of any length."
function told(err)
    text = try
        String(split(sprint(showerror, err), '\n')[1])
    catch
        string(typeof(err))
    end
    return length(text) > 500 ? first(text, 500) * "…" : text
end

"""
What `name` can mean, of the likeliest kind only: a package, a module inside one, a name that one
exports, a name inside one (statements written for a place inside a package have these).
"""
function meanings_of(binder, name)
    ids = [id for id in keys(Base.loaded_modules) if id.name == string(name)]
    sort!(ids; by=id -> string(id.uuid))
    isempty(ids) || return [Meaning(Base.loaded_modules[id], with_uuid(id.name, id)) for id in ids]
    binder.inner === nothing && (binder.inner = inner_names())
    for table in binder.inner
        haskey(table, name) || continue
        meanings = table[name]
        length(meanings) == 1 && (binder.guesses[name] = meanings[1].text)
        return meanings[1:min(end, MOST_READINGS)]
    end
    return Meaning[]
end

"Modules inside the loaded packages, what these export, and what else they define, by name."
function inner_names()
    modules, exported, others = (Dict{Symbol,Vector{Meaning}}() for _ in 1:3)
    seen = Set{Module}()
    ids = sort!(collect(keys(Base.loaded_modules)); by=id -> (id.name, string(id.uuid)))
    for id in ids
        root = Base.loaded_modules[id]
        root in (Main, Base, Core) && continue
        queue = [root]
        while !isempty(queue)
            parent = popfirst!(queue)
            parent in seen && continue
            push!(seen, parent)
            for name in names(parent; all=true, imported=true)
                isdefined(parent, name) && !Base.isdeprecated(parent, name) || continue
                value = getfield(parent, name)
                if value isa Module
                    # A package imported under another name is found by that name too.
                    remember!(modules, name, value, parent)
                    parentmodule(value) === parent && push!(queue, value)
                elseif Base.isexported(parent, name) && parent === root
                    remember!(exported, name, value, parent)
                else
                    remember!(others, name, value, parent)
                end
            end
        end
    end
    return [modules, exported, others]
end

function remember!(table, name, @nospecialize(value), parent)
    known = get!(() -> Meaning[], table, name)
    # No closure: its type would have that of `value`, and `any` be compiled for each.
    for other in known
        other.value === value && return nothing
    end
    push!(known, Meaning(value, with_uuid(string(parent, '.', name), Base.PkgId(parent))))
    return nothing
end

# Julia 1.12 shows a PkgId as the call that makes it.
with_uuid(text, id) = id.uuid === nothing ? text : string(text, " [", id.uuid, ']')
