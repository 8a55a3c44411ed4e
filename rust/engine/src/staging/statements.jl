# Evaluates precompile statements one by one and says of each what became of it.

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

"""
Resolves names in statements to what is loaded. Statements are evaluated in modules of their own,
one for each choice among several meanings.
"""
mutable struct Binder
    areas::Dict{Vector{Pair{Symbol,String}},Module}
    # Names that are neither Base's nor those of a single package, and how they were read.
    guesses::Dict{Symbol,String}
    # By how likely a name is meant; made when a name first needs it: most images never do.
    inner::Union{Nothing,Vector{Dict{Symbol,Vector{Meaning}}}}
end

Binder() = Binder(Dict{Vector{Pair{Symbol,String}},Module}(), Dict{Symbol,String}(), nothing)

function area(binder, choice)
    return get!(binder.areas, [name => meaning.text for (name, meaning) in choice]) do
        mod = Module(:PackageCompilerRSStatements)
        foreach(((name, meaning),) -> bind!(mod, name, meaning), choice)
        mod
    end
end

bind!(mod, name, meaning) = Core.eval(mod, Expr(:const, Expr(:(=), name, QuoteNode(meaning.value))))

"""
Julia's trace writes a character in a type by its bits, as `Char(0x55000000)` for 'U', which
`Char` would not take (seen on 1.5.3 and 1.10.6). No code point is that high, so that nothing else
can be meant.
"""
function mend_characters(ex)
    ex isa Expr || return ex
    if ex.head === :call && length(ex.args) == 2 && ex.args[1] in (:Char, :(Base.Char), :(Core.Char))
        bits = ex.args[2]
        bits isa UInt32 && bits > 0x10ffff && return reinterpret(Char, bits)
    end
    return Expr(ex.head, map(mend_characters, ex.args)...)
end

function evaluate(binder, text)
    call = mend_characters(Meta.parse(text; raise=false))
    if !(call isa Expr && call.head === :call && call.args[1] === :precompile)
        return "error", "it does not parse: $text"
    end
    arguments = Expr(:tuple, call.args[2:end]...)
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
    mod = area(binder, choice)
    while true
        values = try
            Core.eval(mod, arguments)
        catch err
            # The macros of Julia <= 1.6 wrap it.
            while err isa LoadError
                err = err.error
            end
            err isa UndefVarError || return "error", told(err)
            name = err.var
            # Else the name is one inside another module.
            starts_with(arguments, name) && !Base.invokelatest(isdefined, mod, name) ||
                return "name_not_found", string('`', name, '`')
            meanings = meanings_of(binder, name)
            isempty(meanings) && return "name_not_found", string('`', name, '`')
            length(meanings) > 1 && return [[name => meaning] for meaning in meanings]
            bind!(mod, name, meanings[1])
            continue
        end
        return compile(values, reading(binder, arguments, choice))
    end
end

function compile(values, reading)
    done = try
        Base.invokelatest(precompile, values...)
    catch err
        return "error", told(err)
    end
    return (done === false ? "returned_false" : "precompiled"), reading
end

"Whether `name` stands in `expr` by itself or before a dot."
starts_with(expr, name) = expr === name
function starts_with(expr::Expr, name)
    expr.head === :. && return starts_with(expr.args[1], name)
    return any(arg -> starts_with(arg, name), expr.args)
end

"How the names in `arguments` were read, as far as that is not plain."
function reading(binder, arguments, choice)
    chosen = [name => meaning.text for (name, meaning) in choice]
    guessed = sort!([guess for guess in binder.guesses if starts_with(arguments, guess[1])])
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

function remember!(table, name, value, parent)
    known = get!(() -> Meaning[], table, name)
    any(other -> other.value === value, known) && return nothing
    push!(known, Meaning(value, with_uuid(string(parent, '.', name), Base.PkgId(parent))))
    return nothing
end

# Julia 1.12 shows a PkgId as the call that makes it.
with_uuid(text, id) = id.uuid === nothing ? text : string(text, " [", id.uuid, ']')
